/* What both ends of the bench's load agree on. Every byte that arrives is compared with the one that had to. */
#ifndef LOAD_H
#define LOAD_H

#include <stddef.h>
#include <stdint.h>

/* The first byte a client sends says what it wants. */
#define MODE_ECHO 'E'     /* everything back, until the client ends */
#define MODE_ONCE 'O'     /* ONCE_BYTES back, this byte among them, then the server ends first: its port may be used again */
#define MODE_GENERATE 'G' /* the pattern, from its beginning, without end */

#define ONCE_BYTES 64
#define CHUNK_BYTES (256 * 1024)
/* Prime, so that bytes lost or doubled in any power of two are seen. */
#define PATTERN_PERIOD 65521


/* CHUNK_BYTES of the stream MODE_GENERATE sends, from `offset` on. */
const unsigned char *pattern_at(uint64_t offset);

double now_s(void);
/* What is run before anything counts, so that pools, windows and code get warm. */
double warm_up_s(double seconds);
/* Tells whoever looks at the CPU that from now on it counts. */
void say_counting(void);
_Noreturn void die(const char *what);
void set_nonblocking(int fd);
/* Non-blocking and without delay; connected or about to be. */
int connect_to(const char *host, int port);
/* 0 once the connection stands, or its errno. */
int connect_error(int fd);
/* Until `fd` is ready for `events`, or is over; gives up loudly after ten seconds. */
void await(int fd, short events);
void watch(int epoll, int operation, int fd, uint32_t events, void *data);

int serve(int port);
int load_connections(const char *host, int port, int concurrency, double seconds);
int load_bytes(const char *host, int port, int streams, double seconds);
int load_round_trips(const char *host, int port, int lines, double seconds, double rate);
/* Queries for the IPv4 address of `name`, whose answer must be `address`. */
struct dns_load {
  const char *host, *name, *address;
  int port, sockets;
  double seconds;
};
int load_dns(const struct dns_load *load);
int load_idle(const char *host, int port, int count);

#endif
