/* DNS queries over UDP, closed loop: each socket asks again as soon as it is answered. The answer must be to what was asked and
   end in the address it has to. */
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_QUERY_BYTES 300
#define MAX_SAMPLES 4000000
/* A datagram may be lost: then the query is missing, and the next is sent. */
#define PATIENCE_S 2.0

struct asker {
  int fd;
  uint16_t id;
  double asked;
};

struct trial {
  unsigned char query[MAX_QUERY_BYTES];
  size_t length;
  struct in_addr expected;
  uint64_t all, wrong, failed;
  double counts_from, *took_s;
  size_t counted;
};

/* A question for the IPv4 address of `name`, recursion desired. */
static void make_query(struct trial *trial, const char *name) {
  static const unsigned char head[12] = {0, 0, 1, 0, 0, 1}, tail[5] = {0, 0, 1, 0, 1};
  unsigned char *at = trial->query + sizeof head;
  if (strlen(name) > 250) {
    errno = EINVAL;
    die(name);
  }
  memcpy(trial->query, head, sizeof head);
  for (const char *label = name; *label != 0;) {
    size_t length = strcspn(label, ".");
    *at++ = (unsigned char)length;
    memcpy(at, label, length);
    at += length;
    label += length + (label[length] == '.');
  }
  memcpy(at, tail, sizeof tail);
  trial->length = (size_t)(at - trial->query) + sizeof tail;
}

static void ask(struct trial *trial, struct asker *asker) {
  asker->id++;
  trial->query[0] = (unsigned char)(asker->id >> 8);
  trial->query[1] = (unsigned char)asker->id;
  asker->asked = now_s();
  if (send(asker->fd, trial->query, trial->length, 0) != (ssize_t)trial->length) die("send");
}

/* QR, NOERROR, one answer or more, the same question, and the address at the end. */
static int is_right(const struct trial *trial, const unsigned char *answer, size_t length) {
  return length >= trial->length + 4 && (answer[2] & 0x80) != 0 && (answer[3] & 0x0f) == 0 &&
         (answer[6] | answer[7]) != 0 && memcmp(answer + 12, trial->query + 12, trial->length - 12) == 0 &&
         memcmp(answer + length - 4, &trial->expected, 4) == 0;
}

static void take(struct trial *trial, struct asker *asker) {
  unsigned char answer[4096];
  ssize_t length = recv(asker->fd, answer, sizeof answer, MSG_DONTWAIT);
  if (length < 0 && errno == EAGAIN) return;
  if (length < 0) die("recv");
  if (length >= 2 && (answer[0] << 8 | answer[1]) != asker->id) return; /* late: its query counts as missing already */
  double now = now_s();
  if (!is_right(trial, answer, (size_t)length)) trial->wrong++;
  if (now >= trial->counts_from && trial->counted < MAX_SAMPLES) trial->took_s[trial->counted++] = now - asker->asked;
  trial->all++;
  ask(trial, asker);
}

static void give_up_late(struct trial *trial, struct asker *askers, int count) {
  for (int i = 0; i < count; i++) {
    if (now_s() - askers[i].asked < PATIENCE_S) continue;
    trial->all++;
    trial->failed++;
    ask(trial, &askers[i]);
  }
}

static int is_longer(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double percentile_us(const struct trial *trial, double part) {
  return trial->counted == 0 ? 0 : trial->took_s[(size_t)((double)(trial->counted - 1) * part)] * 1e6;
}

int load_dns(const struct dns_load *load) {
  struct trial trial = {.took_s = calloc(MAX_SAMPLES, sizeof *trial.took_s)};
  struct asker *askers = calloc((size_t)load->sockets, sizeof *askers);
  if (trial.took_s == NULL || askers == NULL) die("set-up");
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->port)};
  if (inet_pton(AF_INET, load->host, &server.sin_addr) != 1 || inet_pton(AF_INET, load->address, &trial.expected) != 1) {
    errno = EINVAL;
    die("an address");
  }
  make_query(&trial, load->name);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  double warm = now_s() + warm_up_s(load->seconds), until = warm + load->seconds;
  trial.counts_from = warm;
  for (int i = 0; i < load->sockets; i++) {
    askers[i] = (struct asker){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .id = (uint16_t)(i * 4096)};
    if (askers[i].fd < 0 || connect(askers[i].fd, (struct sockaddr *)&server, sizeof server) != 0) die("socket");
    watch(epoll, EPOLL_CTL_ADD, askers[i].fd, EPOLLIN, &askers[i]);
    ask(&trial, &askers[i]);
  }
  struct epoll_event events[64];
  for (int is_counting = 0; now_s() < until;) {
    if (!is_counting && now_s() >= warm) {
      is_counting = 1;
      say_counting();
    }
    int ready = epoll_wait(epoll, events, 64, 50);
    for (int i = 0; i < ready; i++) take(&trial, events[i].data.ptr);
    if (ready == 0) give_up_late(&trial, askers, load->sockets);
  }
  qsort(trial.took_s, trial.counted, sizeof *trial.took_s, is_longer);
  printf("{\"persecond\":%.1f,\"p50us\":%.1f,\"p99us\":%.1f,\"all\":%llu,\"wrong\":%llu,\"failed\":%llu}\n",
         (double)trial.counted / load->seconds, percentile_us(&trial, 0.5), percentile_us(&trial, 0.99),
         (unsigned long long)trial.all, (unsigned long long)trial.wrong, (unsigned long long)trial.failed);
  return 0;
}
