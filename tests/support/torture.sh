#!/bin/sh
# torture.sh PYTEST [ARGUMENT]...: the long runs. What only computes goes on one core, what waits for servers on the other.
set -u
export REMOTE_CODE_TORTURE=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$@" tests/twin tests/unit -p no:cacheprovider >"$log" 2>&1 &
computing=$!
"$@" -m "not opencode" --ignore=tests/twin --ignore=tests/unit
status=$?
wait "$computing" || status=1
cat "$log"
exit "$status"
