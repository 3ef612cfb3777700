/* The server. The first byte of a connection chooses its mode; those that generate have a thread of their own, so that
   echoes never wait for them in here. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 65536

static int echoes, generators; /* the epoll of each thread */

struct connection {
  int fd;
  char mode;
  uint64_t generated;
  size_t have, sent; /* of `buffer` */
  unsigned char *buffer;
};

static int listen_on(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
  return fd;
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE) die("accept");
      return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) die("calloc");
    connection->fd = fd;
    watch(echoes, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
  }
}

/* Idle connections hold no buffer, so that the memory the bench sees is the mesh's. */
static void forget_buffer(struct connection *connection) {
  free(connection->buffer);
  connection->buffer = NULL;
  connection->have = connection->sent = 0;
}

/* Each of the following returns 0 while the connection goes on. */

static int flush(struct connection *connection) {
  size_t from = connection->sent;
  ssize_t sent = send(connection->fd, connection->buffer + from, connection->have - from, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return 1;
  if (sent > 0) connection->sent += (size_t)sent;
  if (connection->sent < connection->have) {
    watch(echoes, EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
    return 0;
  }
  int is_over = connection->mode == MODE_ONCE;
  forget_buffer(connection);
  watch(echoes, EPOLL_CTL_MOD, connection->fd, EPOLLIN, connection);
  return is_over;
}

static int take(struct connection *connection) {
  if (connection->buffer == NULL) connection->buffer = malloc(BUFFER_BYTES);
  if (connection->buffer == NULL) die("malloc");
  ssize_t got = recv(connection->fd, connection->buffer + connection->have, BUFFER_BYTES - connection->have, 0);
  if (got < 0) return errno != EAGAIN;
  if (got == 0) return 1;
  connection->have += (size_t)got;
  if (connection->mode == 0) connection->mode = (char)connection->buffer[0];
  if (connection->mode == MODE_GENERATE) {
    forget_buffer(connection);
    watch(echoes, EPOLL_CTL_DEL, connection->fd, 0, NULL);
    watch(generators, EPOLL_CTL_ADD, connection->fd, EPOLLIN | EPOLLOUT, connection);
    return 0;
  }
  if (connection->mode == MODE_ONCE && connection->have < ONCE_BYTES) return 0;
  return flush(connection);
}

static int generate(struct connection *connection, uint32_t events) {
  if (events & (EPOLLHUP | EPOLLERR | EPOLLIN)) return 1; /* the client says nothing more but its end */
  ssize_t sent = send(connection->fd, pattern_at(connection->generated), CHUNK_BYTES, MSG_NOSIGNAL);
  if (sent < 0) return errno != EAGAIN;
  connection->generated += (uint64_t)sent;
  return 0;
}

static void end(struct connection *connection) {
  close(connection->fd);
  free(connection->buffer);
  free(connection);
}

static void *generate_all(void *unused) {
  struct epoll_event events[256];
  for (;;) {
    int count = epoll_wait(generators, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (generate(connection, events[i].events)) end(connection);
    }
  }
  return unused;
}

int serve(int port) {
  int listener = listen_on(port);
  struct epoll_event events[256];
  pthread_t thread;
  echoes = epoll_create1(EPOLL_CLOEXEC);
  generators = epoll_create1(EPOLL_CLOEXEC);
  if (pthread_create(&thread, NULL, generate_all, NULL) != 0) die("pthread_create");
  watch(echoes, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
  for (;;) {
    int count = epoll_wait(echoes, events, 256, -1);
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection == NULL) accept_all(listener);
      else if (events[i].events & EPOLLOUT ? flush(connection) : take(connection)) end(connection);
    }
  }
}
