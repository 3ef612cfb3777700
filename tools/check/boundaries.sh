#!/bin/sh
# Who imports whom, by the rules of .dependency-cruiser.mjs. An argument names another tree to look at; a test plants violations in one.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
cd "${1:-$root}"
exec "$root/tools/node" "$root/node_modules/dependency-cruiser/bin/dependency-cruiser.mjs" --config .dependency-cruiser.mjs packages apps e2e tools
