#!/bin/sh
# The lock file says what every package.json says, so that `npm ci` takes it on any machine. Nothing is installed.
set -eu
cd "$(dirname "$0")/../.."
exec tools/node .toolchain/npm/bin/npm-cli.js ci --dry-run --ignore-scripts --no-audit --no-fund
