# shellcheck shell=sh disable=SC2154
# The ready line, on both streams: whatever a login printed comes before it and is dropped there.

echo "$_rc_t $_rc_g $$ $2"
echo "$_rc_t $_rc_g $$ $2" >&2
