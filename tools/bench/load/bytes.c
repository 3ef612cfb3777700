/* Bytes from the server over some streams at once, each compared with the pattern. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* For every stream to begin. */
#define PATIENCE_S 10.0

struct stream {
  int fd;
  int is_open;
  uint64_t got, counted;
};

struct tally {
  uint64_t wrong, failed;
  int error;
};

/* Returns 1 when the stream is over, which it never should be. */
static int turn(struct stream *stream, int epoll, struct tally *tally) {
  static unsigned char chunk[CHUNK_BYTES];
  if (!stream->is_open) {
    const char mode = MODE_GENERATE;
    int error = connect_error(stream->fd);
    if (error == 0 && send(stream->fd, &mode, 1, MSG_NOSIGNAL) != 1) error = errno;
    if (error != 0) {
      tally->error = error;
      return 1;
    }
    stream->is_open = 1;
    watch(epoll, EPOLL_CTL_MOD, stream->fd, EPOLLIN, stream);
    return 0;
  }
  ssize_t got = recv(stream->fd, chunk, sizeof chunk, 0);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) {
    if (got < 0) tally->error = errno;
    return 1;
  }
  if (memcmp(chunk, pattern_at(stream->got), (size_t)got) != 0) tally->wrong++;
  stream->got += (uint64_t)got;
  stream->counted += (uint64_t)got;
  return 0;
}

static int do_all_flow(const struct stream *streams, int count) {
  for (int i = 0; i < count; i++) {
    if (streams[i].got == 0) return 0;
  }
  return 1;
}

static void report(const struct stream *streams, int count, double seconds, const struct tally *tally) {
  uint64_t all = 0, counted = 0, least = UINT64_MAX;
  for (int i = 0; i < count; i++) {
    all += streams[i].got;
    counted += streams[i].counted;
    if (streams[i].counted < least) least = streams[i].counted;
  }
  printf("{\"bytes\":%llu,\"least\":%llu,\"all\":%llu,\"wrong\":%llu,\"failed\":%llu,\"seconds\":%.6f,\"error\":\"%s\"}\n",
         (unsigned long long)counted, (unsigned long long)least, (unsigned long long)all,
         (unsigned long long)tally->wrong, (unsigned long long)tally->failed, seconds,
         tally->error == 0 ? "" : strerror(tally->error));
}

int load_bytes(const char *host, int port, int count, double seconds) {
  struct stream *streams = calloc((size_t)count, sizeof *streams);
  if (streams == NULL) die("calloc");
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct tally tally = {0};
  struct epoll_event events[256];
  for (int i = 0; i < count; i++) {
    streams[i].fd = connect_to(host, port);
    watch(epoll, EPOLL_CTL_ADD, streams[i].fd, EPOLLOUT, &streams[i]);
  }
  double begun = now_s(), counted_from = 0;
  for (;;) {
    int ready = epoll_wait(epoll, events, 256, 100);
    double now = now_s();
    if (counted_from == 0 && now - begun >= warm_up_s(seconds) && (do_all_flow(streams, count) || now - begun > PATIENCE_S)) {
      counted_from = now;
      say_counting();
      for (int i = 0; i < count; i++) streams[i].counted = 0;
    }
    if (tally.failed > 0 || (counted_from != 0 && now - counted_from >= seconds)) {
      report(streams, count, now - counted_from, &tally);
      return 0;
    }
    for (int i = 0; i < ready; i++) {
      struct stream *stream = events[i].data.ptr;
      if (!turn(stream, epoll, &tally)) continue;
      tally.failed++;
      close(stream->fd);
    }
  }
}
