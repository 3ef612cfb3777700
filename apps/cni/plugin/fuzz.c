// SPDX-License-Identifier: Apache-2.0
/*
 * Tries the plugin's reading of JSON without starting a process for each input.
 *
 * `fuzz SEED COUNT <input`: COUNT mutations of the input, for the sanitizers to watch. With clang and -fsanitize=fuzzer,
 * libFuzzer calls the same function instead.
 * `fuzz <inputs`: each input as four bytes of length (little-endian) and its bytes; for each a line with what was found, for a
 * test to compare with JSON.parse.
 */
#define main plugin_main
#include "istio-cni.c"
#undef main
#include <stdint.h>

static const char *const KEYS[] = {"cniVersion", "cni_agent_run_dir", "exclude_namespaces", "pod_namespace", "prevResult", "ready_without_agent"};
enum { KEY_COUNT = sizeof KEYS / sizeof *KEYS };

/* Every slice must lie inside of the input: that is what makes handing it on harmless. */
static void must_lie_within(slice part, slice whole) {
  if (part.at != NULL && (part.at < whole.at || part.at + part.n > whole.at + whole.n)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  // A copy of its exact size, so that one byte too far is seen.
  char *copy = malloc(n == 0 ? 1 : n);
  if (n > 0) memcpy(copy, data, n);
  slice whole = {copy, n}, value;
  for (int key = 0; key < KEY_COUNT; key++) {
    find_member(whole, KEYS[key], &value);
    must_lie_within(value, whole);
    must_lie_within(plain_string(value), whole);
    array_has(value, (slice){"shop", 4});
  }
  free(copy);
  return 0;
}

#ifndef LIBFUZZER
static uint64_t state;
static uint32_t next_random(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}
static void fuzz(char *seed_input, size_t n, long count) {
  static const char TOKENS[] = "{}[]\":,\\ \t\n0123456789-+.eEtruefalsn\0";
  static uint8_t work[MAX_STDIN_BYTES];
  for (long i = 0; i < count; i++) {
    size_t used = n;
    memcpy(work, seed_input, n);
    for (uint32_t edits = next_random(8) + 1; edits > 0 && used > 1; edits--) {
      size_t at = next_random((uint32_t)used), span = next_random(16) + 1;
      switch (next_random(6)) {
        case 0: work[at] = (uint8_t)next_random(256); break;
        case 1: work[at] = (uint8_t)TOKENS[next_random(sizeof TOKENS - 1)]; break;
        case 2: used = at + 1; break;
        case 3: work[at] = work[next_random((uint32_t)used)]; break;
        case 4: // a piece of it again, elsewhere
          if (at + span <= used && used + span <= sizeof work) {
            memmove(work + at + span, work + at, used - at);
            used += span;
          }
          break;
        default: // a piece less
          if (at + span < used) {
            memmove(work + at, work + at + span, used - at - span);
            used -= span;
          }
      }
    }
    LLVMFuzzerTestOneInput(work, used);
  }
}

static void print_slice(slice value) {
  if (value.at == NULL) printf(" -");
  else printf(" %zu:", value.n), fwrite(value.at, 1, value.n, stdout);
}

int main(int argc, char **argv) {
  static char input[MAX_STDIN_BYTES + 1];
  size_t n = 0;
  started_ms = now_ms();
  if (argc == 3) {
    if (!read_stdin(input, &n)) return 1;
    state = strtoull(argv[1], NULL, 10);
    fuzz(input, n, strtol(argv[2], NULL, 10));
    return printf("%s mutations\n", argv[2]) < 0;
  }
  for (uint8_t length[4]; fread(length, 1, 4, stdin) == 4;) {
    n = length[0] | length[1] << 8 | length[2] << 16 | (size_t)length[3] << 24;
    if (n > MAX_STDIN_BYTES || fread(input, 1, n, stdin) != n) return 1;
    slice value;
    printf("%d", find_member((slice){input, n}, "", &value));
    for (int key = 0; key < KEY_COUNT; key++) {
      find_member((slice){input, n}, KEYS[key], &value);
      print_slice(value);
    }
    find_member((slice){input, n}, "exclude_namespaces", &value);
    printf(" %d\n", array_has(value, (slice){"shop", 4}));
  }
  return 0;
}
#endif
