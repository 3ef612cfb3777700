#!/bin/sh
# Builds the CNI plugin: plugin/dist/istio-cni, static, and with --sanitize also, for the tests, plugin/dist/istio-cni-sanitized
# and plugin/dist/fuzz (plugin/dist/libfuzzer too, where clang has what that needs).
set -eu
cd "$(dirname "$0")"
command -v gcc >/dev/null || { echo "the CNI plugin needs gcc and libc6-dev: apt-get install -y gcc libc6-dev" >&2; exit 1; }
mkdir -p dist
warnings="-std=gnu11 -O2 -Wall -Wextra -Werror"
sanitize="-g -fsanitize=address,undefined -fno-sanitize-recover=all"
build() { # build NAME COMPILER SOURCE FLAGS...: only when a source is newer; by rename, so that nobody runs half a file
  out=dist/$1
  compiler=$2
  source=$3
  shift 3
  [ "$out" -nt istio-cni.c ] && [ "$out" -nt fuzz.c ] && [ "$out" -nt build.sh ] && return
  # shellcheck disable=SC2086
  "$compiler" $warnings "$@" -o "$out.$$" "$source" && mv "$out.$$" "$out"
}
build istio-cni gcc istio-cni.c -static
[ "${1-}" = --sanitize ] || exit 0
# shellcheck disable=SC2086
build istio-cni-sanitized gcc istio-cni.c $sanitize
# shellcheck disable=SC2086
build fuzz gcc fuzz.c $sanitize -Wno-unused-function
has_libfuzzer() {
  echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return data == 0 && size != 0; }' |
    clang -fsanitize=fuzzer,address,undefined -x c -o dist/probe.$$ - 2>/dev/null || return 1
  rm dist/probe.$$
}
if command -v clang >/dev/null && has_libfuzzer; then
  # shellcheck disable=SC2086
  build libfuzzer clang fuzz.c $sanitize -Wno-unused-function -DLIBFUZZER -fsanitize=fuzzer
fi
