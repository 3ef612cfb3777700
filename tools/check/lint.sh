#!/bin/sh
# Lints every project with the rules of .oxlintrc.json, those that need types included; any finding fails. Arguments narrow the paths.
set -eu
cd "$(dirname "$0")/../.."
exec tools/node node_modules/oxlint/bin/oxlint --type-aware --deny-warnings "$@"
