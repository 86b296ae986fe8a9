# shellcheck shell=sh disable=SC2034,SC2154,SC2086
# The terminal half of a sudo pair: runs the command on a terminal, while its output goes to the other half.
# @HOLDER@ is the process that holds the output's two ends (sudo_output.sh). Only what a program writes to /dev/tty, such
# as sudo's question, comes back on this channel. HUP is ignored so that background children outlive the channel.

stty raw -echo 2>/dev/null
exec 3>/proc/@HOLDER@/fd/1 4>/proc/@HOLDER@/fd/2

_rc_t=@TOKEN_HEAD@
_rc_t=${_rc_t}@TOKEN_TAIL@

# _rc_d DIRECTORY: go there, or say on the command's standard error why not and end.
_rc_d() {
  cd -- "$1" 2>/dev/null && return
  _rc_l=missing
  [ ! -e "$1" ] || _rc_l="file"
  [ ! -d "$1" ] || _rc_l=denied
  echo "$_rc_t cd $_rc_l" >&4
  exit 125
}

# _rc_u: become the command in _rc_c.
_rc_u() {
  trap "" HUP
  unset OLDPWD
  stty sane -echo
  exec >&3 2>&4 3>&- 4>&- </dev/null
  command -v bash >/dev/null 2>&1 && exec bash --norc -c "$_rc_c"
  exec sh -c "$_rc_c"
}

echo "$_rc_t $$ $$ p"
