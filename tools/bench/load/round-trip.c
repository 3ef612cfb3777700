/* Round trips at a fixed rate, open loop: a request is sent when it is due whatever became of those before it, and its time
   runs from when it was due. Each connection's bytes are the pattern, and so must be what comes back. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define REQUEST_BYTES 1024
/* After the last request. An answer that takes longer is missing. */
#define PATIENCE_S 5.0

struct line {
  int fd;
  uint64_t due_bytes, sent, got; /* of the pattern */
};

struct trial {
  struct line *lines;
  int count, epoll, timer;
  double begun, interval_s;
  uint64_t due, warm_up, all, answered, wrong;
  double *took_s; /* of each answered request that counts */
  size_t counted;
  int error;
};

static void open_line(struct line *line, struct trial *trial, const char *host, int port) {
  const char mode = MODE_ECHO;
  char answer = 0;
  line->fd = connect_to(host, port);
  watch(trial->epoll, EPOLL_CTL_ADD, line->fd, EPOLLOUT, line);
  await(line->fd, POLLOUT);
  if (send(line->fd, &mode, 1, MSG_NOSIGNAL) != 1) die("send");
  await(line->fd, POLLIN);
  if (recv(line->fd, &answer, 1, 0) != 1 || answer != mode) die("the first byte of a connection did not come back");
  watch(trial->epoll, EPOLL_CTL_MOD, line->fd, EPOLLIN, line);
}

static void break_off(struct trial *trial, struct line *line, int error) {
  trial->error = error;
  close(line->fd);
  line->fd = -1;
}

/* Request k goes on line k % count: when the n-th answer of a line is there, which request that was follows from n. */
static void note_answers(struct trial *trial, struct line *line, uint64_t before, double now) {
  uint64_t index = (uint64_t)(line - trial->lines);
  for (uint64_t n = before / REQUEST_BYTES; n < line->got / REQUEST_BYTES; n++) {
    uint64_t request = n * (uint64_t)trial->count + index;
    trial->answered++;
    if (request < trial->warm_up) continue;
    trial->took_s[trial->counted++] = now - (trial->begun + (double)request * trial->interval_s);
  }
}

static void send_due(struct trial *trial, struct line *line) {
  while (line->fd >= 0 && line->sent < line->due_bytes) {
    size_t length = line->due_bytes - line->sent;
    if (length > CHUNK_BYTES) length = CHUNK_BYTES;
    ssize_t sent = send(line->fd, pattern_at(line->sent), length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return break_off(trial, line, errno);
    if (sent > 0) line->sent += (uint64_t)sent;
    if (sent < (ssize_t)length) return watch(trial->epoll, EPOLL_CTL_MOD, line->fd, EPOLLIN | EPOLLOUT, line);
  }
}

static void take(struct trial *trial, struct line *line) {
  static unsigned char chunk[CHUNK_BYTES];
  ssize_t got = recv(line->fd, chunk, sizeof chunk, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return break_off(trial, line, got == 0 ? 0 : errno);
  if (memcmp(chunk, pattern_at(line->got), (size_t)got) != 0) trial->wrong++;
  uint64_t before = line->got;
  line->got += (uint64_t)got;
  note_answers(trial, line, before, now_s());
}

static void turn(struct trial *trial, struct line *line, uint32_t events) {
  if (line->fd < 0) return;
  if (events & EPOLLOUT) {
    watch(trial->epoll, EPOLL_CTL_MOD, line->fd, EPOLLIN, line);
    send_due(trial, line);
  }
  if (line->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(trial, line);
}

static void set_timer(struct trial *trial) {
  double at = trial->begun + (double)trial->due * trial->interval_s;
  struct itimerspec when = {.it_value = {.tv_sec = (time_t)at, .tv_nsec = (long)((at - (double)(time_t)at) * 1e9)}};
  if (timerfd_settime(trial->timer, TFD_TIMER_ABSTIME, &when, NULL) != 0) die("timerfd_settime");
}

static void make_due(struct trial *trial) {
  while (trial->due < trial->all && now_s() >= trial->begun + (double)trial->due * trial->interval_s) {
    struct line *line = &trial->lines[trial->due++ % (uint64_t)trial->count];
    line->due_bytes += REQUEST_BYTES;
    send_due(trial, line);
  }
  if (trial->due < trial->all) set_timer(trial);
}

static int are_open(const struct trial *trial) {
  for (int i = 0; i < trial->count; i++) {
    if (trial->lines[i].fd >= 0) return 1;
  }
  return 0;
}

static int is_longer(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double percentile_us(const struct trial *trial, double part) {
  return trial->counted == 0 ? 0 : trial->took_s[(size_t)((double)(trial->counted - 1) * part)] * 1e6;
}

static int report(struct trial *trial) {
  qsort(trial->took_s, trial->counted, sizeof *trial->took_s, is_longer);
  printf("{\"p50us\":%.1f,\"p99us\":%.1f,\"maxus\":%.1f,\"counted\":%zu,\"all\":%llu,\"wrong\":%llu,\"failed\":%llu,\"error\":\"%s\"}\n",
         percentile_us(trial, 0.5), percentile_us(trial, 0.99), percentile_us(trial, 1), trial->counted,
         (unsigned long long)trial->all, (unsigned long long)trial->wrong,
         (unsigned long long)(trial->all - trial->answered),
         trial->error == 0 ? "" : strerror(trial->error));
  return 0;
}

int load_round_trips(const char *host, int port, int count, double seconds, double rate) {
  struct trial trial = {.count = count, .interval_s = 1 / rate};
  trial.epoll = epoll_create1(EPOLL_CLOEXEC);
  trial.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  trial.warm_up = (uint64_t)(warm_up_s(seconds) * rate);
  trial.all = trial.warm_up + (uint64_t)(seconds * rate) + 1;
  trial.lines = calloc((size_t)count, sizeof *trial.lines);
  trial.took_s = calloc(trial.all, sizeof *trial.took_s);
  if (trial.lines == NULL || trial.took_s == NULL || trial.timer < 0) die("set-up");
  for (int i = 0; i < count; i++) open_line(&trial.lines[i], &trial, host, port);
  watch(trial.epoll, EPOLL_CTL_ADD, trial.timer, EPOLLIN, NULL);
  trial.begun = now_s();
  set_timer(&trial);
  double last_due = trial.begun + (double)trial.all * trial.interval_s;
  struct epoll_event events[256];
  while (trial.answered < trial.all && are_open(&trial) && now_s() < last_due + PATIENCE_S) {
    int ready = epoll_wait(trial.epoll, events, 256, 100);
    for (int i = 0; i < ready; i++) {
      uint64_t expirations;
      if (events[i].data.ptr != NULL) turn(&trial, events[i].data.ptr, events[i].events);
      else if (read(trial.timer, &expirations, sizeof expirations) > 0) make_due(&trial);
    }
  }
  return report(&trial);
}
