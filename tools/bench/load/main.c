/* The bench's load: a server that answers in several ways, and clients that count right answers. One JSON line at the end. */
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

static unsigned char pattern[PATTERN_PERIOD + CHUNK_BYTES];

static void make_pattern(void) {
  for (size_t i = 0; i < sizeof pattern; i++) {
    uint32_t x = (uint32_t)(i % PATTERN_PERIOD) * 2654435761u;
    pattern[i] = (unsigned char)(x >> 24);
  }
}

const unsigned char *pattern_at(uint64_t offset) {
  return pattern + offset % PATTERN_PERIOD;
}

double now_s(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double warm_up_s(double seconds) {
  return seconds < 0.5 ? seconds : 0.5;
}

void say_counting(void) {
  puts("counting");
  fflush(stdout);
}

_Noreturn void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

void set_nonblocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) die("fcntl");
}

int connect_to(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    errno = EINVAL;
    die(host);
  }
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

void await(int fd, short events) {
  struct pollfd poll_one = {.fd = fd, .events = events};
  if (poll(&poll_one, 1, 10000) == 1) return;
  errno = ETIMEDOUT;
  die("no answer");
}

void watch(int epoll, int operation, int fd, uint32_t events, void *data) {
  struct epoll_event event = {.events = events, .data.ptr = data};
  if (epoll_ctl(epoll, operation, fd, &event) != 0) die("epoll_ctl");
}

static int usage(void) {
  fputs("usage: load serve PORT\n"
        "       load connections HOST PORT CONCURRENCY SECONDS\n"
        "       load bytes HOST PORT STREAMS SECONDS\n"
        "       load round-trips HOST PORT CONNECTIONS SECONDS RATE\n"
        "       load dns HOST PORT SOCKETS SECONDS NAME ADDRESS\n"
        "       load idle HOST PORT CONNECTIONS\n",
        stderr);
  return 2;
}

int main(int count, char **words) {
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  make_pattern();
  const char *what = count > 1 ? words[1] : "";
  if (count == 3 && strcmp(what, "serve") == 0) return serve(atoi(words[2]));
  if (count < 5) return usage();
  const char *host = words[2];
  int port = atoi(words[3]), many = atoi(words[4]);
  double seconds = count > 5 ? atof(words[5]) : 0, rate = count > 6 ? atof(words[6]) : 0;
  if (many < 1) return usage();
  if (strcmp(what, "idle") == 0) return load_idle(host, port, many);
  if (seconds <= 0) return usage();
  if (strcmp(what, "dns") == 0 && count > 7) {
    struct dns_load dns = {
        .host = host, .port = port, .sockets = many, .seconds = seconds, .name = words[6], .address = words[7]};
    return load_dns(&dns);
  }
  if (strcmp(what, "connections") == 0) return load_connections(host, port, many, seconds);
  if (strcmp(what, "bytes") == 0) return load_bytes(host, port, many, seconds);
  if (strcmp(what, "round-trips") == 0 && rate > 0) return load_round_trips(host, port, many, seconds, rate);
  return usage();
}
