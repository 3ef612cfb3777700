#!/bin/sh
# Fails when a file is not as oxfmt would write it; `tools/check/format.sh --write` writes it. Further arguments narrow the paths.
set -eu
cd "$(dirname "$0")/../.."
mode=--check
if [ "${1-}" = --write ]; then
  mode=--write
  shift
fi
exec tools/node node_modules/oxfmt/bin/oxfmt "$mode" "$@"
