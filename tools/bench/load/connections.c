/* New connections, closed loop: each sends ONCE_BYTES of its own, compares what comes back, and sees the server's end. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct attempt {
  int fd;
  int is_open;
  size_t got;
  unsigned char sent[ONCE_BYTES], answer[ONCE_BYTES + 1];
};

enum verdict { GOES_ON, RIGHT, WRONG, FAILED };

/* How long, beyond what was asked for, the first turn of all lines and the last are waited for: on a busy machine a short
   time holds none of many that were begun together. */
#define PATIENCE_S 10

static uint64_t serial;
static int last_error;

static void begin(struct attempt *attempt, int epoll, const char *host, int port) {
  memset(attempt, 0, sizeof *attempt);
  attempt->sent[0] = MODE_ONCE;
  memcpy(attempt->sent + 1, pattern_at(serial * 61), ONCE_BYTES - 1); /* no two that follow each other are alike */
  serial++;
  attempt->fd = connect_to(host, port);
  watch(epoll, EPOLL_CTL_ADD, attempt->fd, EPOLLOUT, attempt);
}

static enum verdict open_up(struct attempt *attempt, int epoll) {
  int error = connect_error(attempt->fd);
  if (error != 0) {
    last_error = error;
    return FAILED;
  }
  ssize_t sent = send(attempt->fd, attempt->sent, ONCE_BYTES, MSG_NOSIGNAL);
  if (sent != ONCE_BYTES) {
    last_error = errno;
    return FAILED;
  }
  attempt->is_open = 1;
  watch(epoll, EPOLL_CTL_MOD, attempt->fd, EPOLLIN, attempt);
  return GOES_ON;
}

static enum verdict turn(struct attempt *attempt, int epoll) {
  if (!attempt->is_open) return open_up(attempt, epoll);
  ssize_t got = recv(attempt->fd, attempt->answer + attempt->got, sizeof attempt->answer - attempt->got, 0);
  if (got < 0) {
    if (errno == EAGAIN) return GOES_ON;
    last_error = errno;
    return FAILED;
  }
  attempt->got += (size_t)got;
  if (attempt->got > ONCE_BYTES) return WRONG;
  if (got > 0) return GOES_ON;
  if (attempt->got < ONCE_BYTES) return FAILED;
  return memcmp(attempt->sent, attempt->answer, ONCE_BYTES) == 0 ? RIGHT : WRONG;
}

static int is_over(double took, double seconds, int is_enough) {
  return took >= seconds && (is_enough || took >= seconds + PATIENCE_S);
}

/* Nothing needs to be waited for once the run is lost. */
static int is_enough(const uint64_t counts[], uint64_t answers, int concurrency) {
  return answers >= (uint64_t)concurrency || counts[WRONG] + counts[FAILED] > 0;
}

int load_connections(const char *host, int port, int concurrency, double seconds) {
  struct attempt *attempts = calloc((size_t)concurrency, sizeof *attempts);
  if (attempts == NULL) die("calloc");
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  uint64_t counts[4] = {0}, all = 0;
  struct epoll_event events[256];
  double begun = now_s(), counted_from = 0;
  for (int i = 0; i < concurrency; i++) begin(&attempts[i], epoll, host, port);
  for (;;) {
    int count = epoll_wait(epoll, events, 256, 100);
    double now = now_s();
    if (counted_from == 0 && is_over(now - begun, warm_up_s(seconds), is_enough(counts, all, concurrency))) {
      counted_from = now;
      say_counting();
      counts[RIGHT] = 0; /* what went wrong counts from the first connection on */
    }
    if (counted_from != 0 && is_over(now - counted_from, seconds, is_enough(counts, counts[RIGHT], concurrency))) {
      seconds = now - counted_from;
      break;
    }
    for (int i = 0; i < count; i++) {
      struct attempt *attempt = events[i].data.ptr;
      enum verdict verdict = turn(attempt, epoll);
      if (verdict == GOES_ON) continue;
      counts[verdict]++;
      all++;
      close(attempt->fd);
      begin(attempt, epoll, host, port);
    }
  }
  printf("{\"right\":%llu,\"wrong\":%llu,\"failed\":%llu,\"all\":%llu,\"seconds\":%.6f,\"error\":\"%s\"}\n",
         (unsigned long long)counts[RIGHT], (unsigned long long)counts[WRONG], (unsigned long long)counts[FAILED],
         (unsigned long long)all, seconds, last_error == 0 ? "" : strerror(last_error));
  return 0;
}
