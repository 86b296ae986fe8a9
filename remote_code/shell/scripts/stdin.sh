# shellcheck shell=sh disable=SC2034,SC2154,SC2086
# Standard input for a command, sent as part of its job. The channel's own input is the lifeline and stays open, so the
# command reads a pipe: a relay in its process group hands on a counted number of bytes, and closes the pipe only when
# the token behind them has come. A command whose input was cut is ended before it could take the cut for the end.

# _rc_m BYTES: what follows the command's text must stay in the input.
_rc_m() { _rc_x $1; }

# rc_parent: the process that started this shell; another one takes its place when the server's has gone.
rc_parent() {
  read -r rc_l rc_l rc_l rc_p rc_l </proc/$$/stat || rc_p=$(ps -o ppid= -p $$)
}

# rc_timer SECONDS: end the process group when they are over, or when the server's process has gone: a relay whose pipe
# is full, because the command does not read, cannot see the end of the lifeline.
rc_timer() {
  rc_n=$1
  rc_parent
  rc_first=$rc_p
  while [ $rc_n -gt 0 ] && [ "$rc_p" = "$rc_first" ]; do
    sleep 2
    kill -0 $$ || return
    rc_n=$((rc_n - 2))
    rc_parent
  done
  _rc_k
}

# rc_relay BYTES TIMER: hand on the input, then be the watcher.
rc_relay() {
  rc_l=
  if _rc_x $1; then
    IFS= read -r rc_l
    [ "$rc_l" != "$_rc_t" ] || exec >/dev/null
  else
    # Nobody reads any more; the rest is dropped.
    exec >/dev/null
  fi
  cat >/dev/null
  kill -0 $$ && _rc_k
  kill -KILL $2
}

# Redirections stand behind `exec`, not behind a function's name: dash would keep the pipe open besides.
# rc_with_input SECONDS BYTES: run the command in _rc_c on the next BYTES of the input, and end with its exit status.
rc_with_input() {
  unset OLDPWD
  exec 3<&0 5>&2 </dev/null 2>/dev/null
  ( trap "" HUP INT QUIT TERM PIPE
    exec 4<&- 5>&-
    ( exec 3<&- >/dev/null
      rc_timer $1 ) &
    ( exec <&3 3<&-
      rc_relay $2 $! ) & ) | (
    exec 2>&5 3<&- 5>&-
    command -v bash >/dev/null 2>&1 && exec bash --norc -c "$_rc_c"
    exec sh -c "$_rc_c" )
  exit
}
