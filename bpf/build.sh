#!/bin/sh
# Builds the programs of the kernel: bpf/dist/redirect.o, the same for every kernel and, but for its byte order, every machine.
set -eu
cd "$(dirname "$0")"
command -v clang >/dev/null || { echo "the eBPF programs need clang and libbpf-dev: apt-get install -y clang libbpf-dev" >&2; exit 1; }
mkdir -p dist
# Debian and Ubuntu keep <asm/types.h> in a folder named after the machine, which the target bpf does not look into.
machine=/usr/include/$(uname -m)-linux-gnu
clang -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror -Wno-address-of-packed-member -I"$machine" -c redirect.c -o "dist/redirect.o.$$"
mv "dist/redirect.o.$$" dist/redirect.o # by rename, so that nobody loads half a file
