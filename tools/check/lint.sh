#!/bin/sh
# Lints every project with the rules of .oxlintrc.json, those that need types included; any finding fails. Arguments narrow the paths.
set -eu
cd "$(dirname "$0")/../.."
export NX_DAEMON=false
# The Nx boundary rule needs Nx's cached graph; without it the rule warns that it is skipped, and passes.
tools/node node_modules/nx/dist/bin/nx.js show projects >/dev/null
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
tools/node node_modules/oxlint/bin/oxlint --type-aware --deny-warnings "$@" >"$output" 2>&1 || status=$?
cat "$output"
if grep -q 'rule will be skipped' "$output"; then
  echo 'lint: the Nx boundary rule was skipped, because Nx has no graph of the projects' >&2
  exit 1
fi
exit "$status"
