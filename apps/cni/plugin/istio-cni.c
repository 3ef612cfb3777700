// SPDX-License-Identifier: Apache-2.0
/*
 * The CNI plugin: hands environment (CNI_*) and standard input to the node agent over its Unix socket and prints the answer.
 * The agent does all the thinking. What is left here: VERSION, and what to say while the agent cannot be reached:
 * ADD and CHECK fail with 11 (try again later), STATUS with 50, DEL and GC succeed, because the agent reconciles at its start.
 * With "ready_without_agent": true, STATUS succeeds: a runtime that asks would else call the node's network down, and a node
 * whose network is down starts no pod that needs one, the agent's own perhaps among them.
 * Let through are the agent's own pod, without which no agent would ever start, and the namespaces the configuration excludes.
 *
 * Request:  POST /cni HTTP/1.0, body = each "CNI_NAME=value" ended by NUL, one more NUL, then standard input byte for byte.
 * Response: 200 = print the body, exit 0; any other status = print the body, exit 1. The length is declared and checked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_STDIN_BYTES (1u << 20)
#define MAX_ENVIRONMENT_BYTES (128u << 10)
#define MAX_ANSWER_BYTES (2u << 20)
#define DEADLINE_MS 9000 // the agent gives up at 8 s; a runtime waits at least 10 s
#define SUPPORTED "\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\""
#define OWN_POD_PREFIX "istio-cni-node-"

enum { INVALID_ENVIRONMENT = 4, IO_FAILURE = 5, DECODE_FAILURE = 6, TRY_AGAIN_LATER = 11, NOT_AVAILABLE = 50 };

typedef struct { const char *at; size_t n; } slice;
extern char **environ;
static long long started_ms;
static char version[32] = "1.1.0";

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}
static int remaining_ms(void) {
  long long left = started_ms + DEADLINE_MS - now_ms();
  return left > 0 ? (int)left : 0;
}
static bool print_all(const char *at, size_t n) {
  while (n > 0) {
    ssize_t wrote = write(STDOUT_FILENO, at, n);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    at += wrote;
    n -= (size_t)wrote;
  }
  return true;
}
/* `message` and `details` are our own words or strerror's: nothing in them needs escaping. */
static int fail(int code, const char *message, const char *details) {
  char out[512];
  int n = snprintf(out, sizeof out, "{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n", version, code, message, details);
  print_all(out, n < (int)sizeof out ? (size_t)n : sizeof out - 1);
  return 1;
}

/* ---- the little JSON there is: where a value ends, and a member of the outermost object ---- */
static const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}
static const char *skip_string(const char *p, const char *end) { // at the opening quote; NULL when it never closes
  for (p++; p < end; p++) {
    if (*p == '\\') p++;
    else if (*p == '"') return p + 1;
  }
  return NULL;
}
static const char *skip_value(const char *p, const char *end) { // counts brackets: no recursion, however deep they nest
  size_t depth = 0;
  do {
    p = skip_space(p, end);
    if (p >= end) return NULL;
    if (*p == '"') p = skip_string(p, end);
    else if (*p == '{' || *p == '[') depth++, p++;
    else if (*p == '}' || *p == ']') {
      if (depth == 0) return NULL;
      depth--, p++;
    } else if (depth > 0 && (*p == ',' || *p == ':')) p++;
    else {
      const char *from = p;
      while (p < end && (strchr("+-.", *p) ? *p != 0 : (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || *p == 'E')) p++;
      if (p == from) return NULL;
    }
  } while (p != NULL && depth > 0);
  return p;
}
/* The value of the last member `key`, as JSON.parse would choose; `value->at` stays NULL when there is none. */
static bool find_member(slice object, const char *key, slice *value) {
  const char *end = object.at + object.n, *p = skip_space(object.at, end);
  *value = (slice){NULL, 0};
  if (p >= end || *p++ != '{') return false;
  p = skip_space(p, end);
  if (p < end && *p == '}') return skip_space(p + 1, end) == end;
  for (;;) {
    const char *name = p = skip_space(p, end);
    if (p >= end || *p != '"' || (p = skip_string(p, end)) == NULL) return false;
    size_t name_bytes = (size_t)(p - name) - 2;
    p = skip_space(p, end);
    if (p >= end || *p++ != ':') return false;
    const char *from = skip_space(p, end);
    if ((p = skip_value(from, end)) == NULL) return false;
    if (name_bytes == strlen(key) && memcmp(name + 1, key, name_bytes) == 0) *value = (slice){from, (size_t)(p - from)};
    p = skip_space(p, end);
    if (p >= end || (*p != ',' && *p != '}')) return false;
    if (*p++ == '}') return skip_space(p, end) == end;
  }
}
/* The inside of a JSON string that needs no unescaping, or nothing. */
static slice plain_string(slice value) {
  if (value.at == NULL || value.n < 2 || value.at[0] != '"') return (slice){NULL, 0};
  slice inside = {value.at + 1, value.n - 2};
  for (size_t i = 0; i < inside.n; i++)
    if (inside.at[i] == '\\' || (unsigned char)inside.at[i] < 0x20) return (slice){NULL, 0};
  return inside;
}
static bool same(slice a, slice b) {
  return a.at != NULL && b.at != NULL && a.n == b.n && memcmp(a.at, b.at, a.n) == 0;
}
static bool array_has(slice array, slice wanted) { // strings only; anything else in the array is not a namespace
  if (array.at == NULL || array.at[0] != '[') return false;
  const char *end = array.at + array.n - 1, *p = array.at + 1;
  while ((p = skip_space(p, end)) < end) {
    const char *from = p;
    if ((p = skip_value(p, end)) == NULL) return false;
    if (same(plain_string((slice){from, (size_t)(p - from)}), wanted)) return true;
    p = skip_space(p, end);
    if (p < end && *p++ != ',') return false;
  }
  return false;
}
static slice cni_argument(const char *key) { // CNI_ARGS is K=V;K=V
  const char *p = getenv("CNI_ARGS");
  for (size_t n = strlen(key); p != NULL && *p != 0; p = strchr(p, ';') ? strchr(p, ';') + 1 : NULL)
    if (strncmp(p, key, n) == 0 && p[n] == '=') return (slice){p + n + 1, strcspn(p + n + 1, ";")};
  return (slice){NULL, 0};
}

/* ---- talking to the agent ---- */
static bool read_stdin(char *into, size_t *n) { // false: too long, too slow or failed
  for (*n = 0; *n <= MAX_STDIN_BYTES;) {
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&ready, 1, remaining_ms()) == 0) return false;
    ssize_t got = read(STDIN_FILENO, into + *n, MAX_STDIN_BYTES + 1 - *n);
    if (got == 0) return true;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return false;
    if (got > 0) *n += (size_t)got;
  }
  return false;
}
static bool set_deadline(int fd) { // applies to connect, send and receive alike
  int left = remaining_ms();
  struct timeval t = {left / 1000, (left % 1000) * 1000};
  if (left == 0) errno = ETIMEDOUT;
  return left > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0;
}
static bool send_all(int fd, const char *at, size_t n) {
  while (n > 0) {
    if (!set_deadline(fd)) return false;
    ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    n -= (size_t)sent;
  }
  return true;
}
static int connect_agent(slice run_dir) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int n = snprintf(to.sun_path, sizeof to.sun_path, "%.*s/pluginevent.sock", (int)run_dir.n, run_dir.at);
  if (n >= (int)sizeof to.sun_path) return errno = ENAMETOOLONG, -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && set_deadline(fd) && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  int why = errno;
  if (fd >= 0) close(fd);
  return errno = why, -1;
}
static bool send_request(int fd, slice config) {
  static char head[MAX_ENVIRONMENT_BYTES], environment[MAX_ENVIRONMENT_BYTES];
  size_t used = 0;
  for (char **each = environ; *each != NULL; each++) {
    size_t n = strlen(*each) + 1;
    if (strncmp(*each, "CNI_", 4) != 0) continue;
    if (used + n + 1 > sizeof environment) return errno = E2BIG, false;
    memcpy(environment + used, *each, n);
    used += n;
  }
  environment[used++] = 0;
  int n = snprintf(head, sizeof head, "POST /cni HTTP/1.0\r\nContent-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n", used + config.n);
  return send_all(fd, head, (size_t)n) && send_all(fd, environment, used) && send_all(fd, config.at, config.n);
}
/* @returns the HTTP status with the body, or 0 when what came is not a whole answer. */
static int receive_answer(int fd, slice *body) {
  static char answer[MAX_ANSWER_BYTES + 1];
  size_t used = 0;
  for (ssize_t got = 1; got > 0 && used < MAX_ANSWER_BYTES;) {
    if (!set_deadline(fd)) return 0;
    got = recv(fd, answer + used, MAX_ANSWER_BYTES - used, 0);
    if (got < 0 && errno == EINTR) got = 1;
    else if (got < 0) return 0;
    else used += (size_t)got;
  }
  answer[used] = 0;
  errno = EBADMSG;
  char *blank = strstr(answer, "\r\n\r\n");
  if (blank == NULL || strncmp(answer, "HTTP/1.", 7) != 0) return 0;
  *body = (slice){blank + 4, used - (size_t)(blank + 4 - answer)};
  blank[2] = 0; // the headers are now a string of their own
  const char *length = strcasestr(answer, "\r\ncontent-length:");
  if (length == NULL || strtoull(length + 17, NULL, 10) != body->n) return 0;
  return (int)strtol(answer + 8, NULL, 10);
}

static const char *reason(void) {
  return remaining_ms() == 0 ? "no whole answer within 9 s" : strerror(errno);
}
static int without_agent(const char *command, slice config, const char *why) {
  slice excluded, own_namespace, previous, ready;
  slice name = cni_argument("K8S_POD_NAME"), namespace = cni_argument("K8S_POD_NAMESPACE");
  if (strcmp(command, "DEL") == 0 || strcmp(command, "GC") == 0) return 0;
  if (strcmp(command, "STATUS") == 0) {
    find_member(config, "ready_without_agent", &ready);
    if (same(ready, (slice){"true", 4})) return 0;
    return fail(NOT_AVAILABLE, "Cannot reach the node agent", why);
  }
  find_member(config, "exclude_namespaces", &excluded);
  find_member(config, "pod_namespace", &own_namespace);
  find_member(config, "prevResult", &previous);
  size_t prefix = strlen(OWN_POD_PREFIX);
  bool own = name.n > prefix && memcmp(name.at, OWN_POD_PREFIX, prefix) == 0 && same(plain_string(own_namespace), namespace);
  if (strcmp(command, "ADD") != 0 || !(own || array_has(excluded, namespace)))
    return fail(TRY_AGAIN_LATER, "Cannot reach the node agent; the pod waits for it", why);
  if (previous.at != NULL) return !print_all(previous.at, previous.n);
  char empty[64];
  return !print_all(empty, (size_t)snprintf(empty, sizeof empty, "{\"cniVersion\":\"%s\"}", version));
}

int main(void) {
  static char input[MAX_STDIN_BYTES + 1];
  slice config = {input, 0}, asked, run_dir, body;
  const char *command = getenv("CNI_COMMAND");
  started_ms = now_ms();
  if (command == NULL || *command == 0) return fail(INVALID_ENVIRONMENT, "CNI_COMMAND is not set", "this program is run by a container runtime");
  if (!read_stdin(input, &config.n)) return fail(IO_FAILURE, "Cannot read the network configuration", "standard input is over 1 MiB, failed or never ended");
  if (!find_member(config, "cniVersion", &asked)) return fail(DECODE_FAILURE, "Cannot decode the network configuration", "standard input is not one JSON object");
  slice wanted = plain_string(asked);
  if (wanted.at != NULL && wanted.n > 0 && wanted.n < sizeof version && strspn(wanted.at, "0123456789.") == wanted.n)
    version[0] = 0, strncat(version, wanted.at, wanted.n);
  if (strcmp(command, "VERSION") == 0)
    return printf("{\"cniVersion\":\"%s\",\"supportedVersions\":[" SUPPORTED "]}\n", version) < 0 || fflush(stdout) != 0;
  if (strcmp(command, "ADD") && strcmp(command, "DEL") && strcmp(command, "CHECK") && strcmp(command, "GC") && strcmp(command, "STATUS"))
    return fail(INVALID_ENVIRONMENT, "CNI_COMMAND is unknown", "it is one of ADD, DEL, CHECK, GC, STATUS, VERSION");
  find_member(config, "cni_agent_run_dir", &run_dir);
  run_dir = plain_string(run_dir);
  if (run_dir.n == 0) run_dir = (slice){"/var/run/istio-cni", 18};
  int fd = connect_agent(run_dir);
  if (fd < 0 || !send_request(fd, config)) return without_agent(command, config, reason());
  int status = receive_answer(fd, &body);
  if (status == 0) return without_agent(command, config, reason());
  return !print_all(body.at, body.n) || status != 200;
}
