#!/bin/sh
# Builds the CNI plugin: plugin/dist/istio-cni, static, and with --sanitize also plugin/dist/istio-cni-sanitized for the tests.
set -eu
cd "$(dirname "$0")"
command -v gcc >/dev/null || { echo "the CNI plugin needs gcc and libc6-dev: apt-get install -y gcc libc6-dev" >&2; exit 1; }
mkdir -p dist
warnings="-std=gnu11 -O2 -Wall -Wextra -Werror"
build() { # build NAME FLAGS...: only when the source is newer; by rename, so that nobody runs half a file
  out=dist/$1
  shift
  [ "$out" -nt istio-cni.c ] && [ "$out" -nt build.sh ] && return
  # shellcheck disable=SC2086
  gcc $warnings "$@" -o "$out.$$" istio-cni.c && mv "$out.$$" "$out"
}
build istio-cni -static
[ "${1-}" = --sanitize ] && build istio-cni-sanitized -g -fsanitize=address,undefined -fno-sanitize-recover=all
exit 0
