#!/bin/sh
# More than one installed package brings a `tsc`: the one that builds must be version 7.
set -eu
cd "$(dirname "$0")/../.."
version=$(tools/node node_modules/@typescript/native/bin/tsc -v)
case $version in
"Version 7."*) ;;
*) echo "tsc -v says \"$version\"" >&2 && exit 1 ;;
esac
