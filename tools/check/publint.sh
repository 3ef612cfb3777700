#!/bin/sh
# What each package promises in its package.json is there once it is built. Warnings fail.
set -eu
cd "$(dirname "$0")/../.."
for package in packages/*/; do
  [ -d "${package}src" ] || continue
  tools/node node_modules/publint/src/cli.js run --strict --pack false "$package"
done
