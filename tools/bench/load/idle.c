/* Connections that are open and do nothing: each is seen to work, held until standard input ends, and seen to work again. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* One byte there and back. */
static int works(int fd, char byte) {
  char answer = 0;
  await(fd, POLLOUT);
  if (connect_error(fd) != 0 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1) return 0;
  await(fd, POLLIN);
  return recv(fd, &answer, 1, 0) == 1 && answer == byte;
}

int load_idle(const char *host, int port, int count) {
  int *fds = calloc((size_t)count, sizeof *fds), failed = 0;
  if (fds == NULL) die("calloc");
  for (int i = 0; i < count; i++) {
    fds[i] = connect_to(host, port);
    if (!works(fds[i], MODE_ECHO)) failed++;
  }
  puts("open");
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0);
  for (int i = 0; i < count; i++) {
    if (!works(fds[i], (char)i)) failed++;
  }
  printf("{\"all\":%d,\"wrong\":0,\"failed\":%d}\n", count, failed);
  return 0;
}
