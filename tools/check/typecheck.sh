#!/bin/sh
# Type checks every project and its tests, in the order of their references.
set -eu
cd "$(dirname "$0")/../.."
exec tools/node node_modules/@typescript/native/bin/tsc -b packages/*/tsconfig.json apps/*/tsconfig.json e2e/tsconfig.json tools/tsconfig.json
