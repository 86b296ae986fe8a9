#!/bin/sh
# run_suite.sh PYTEST [ARGUMENT]...: run tests; when a few of them fail, run these once more, with nothing beside them.
#
# The tests use real servers, processes and clocks, and a machine with other work can starve one of them. A test that
# fails twice fails the run. One that passes alone is named at the end as unsteady: it is to be made steady.
set -u
most=5

"$@"
status=$?
[ "$status" -eq 1 ] || exit "$status"

failed=$("$@" --last-failed --collect-only --quiet 2>/dev/null | grep '::')
if [ "$(printf '%s\n' "$failed" | wc -l)" -gt "$most" ]; then
  echo "more than $most tests failed: none of them is tried again"
  exit 1
fi
echo "these failed and are run once more, alone:"
printf '%s\n' "$failed"
"$@" --last-failed --last-failed-no-failures none || exit $?
echo "unsteady tests, which failed among the others and passed alone:"
printf '%s\n' "$failed"
