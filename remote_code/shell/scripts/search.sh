# shellcheck shell=sh disable=SC2034,SC2154,SC2086
# Searches, for a standby shell, which serves again afterwards: it is given these functions before its first search.

# rc_watch SECONDS: watch the input (the engine's lifeline) and the clock, and end the process group when either ends.
# `_rc_p` ends the group once the sleep `_rc_s` has ended; `_rc_r` reads the input and ends the sleep. The command
# substitution returns when both numbers are known and its output is closed, so that rc_unwatch never comes too early.
rc_watch() {
  exec 3<&0
  eval "$(
    ( trap "" HUP INT QUIT TERM PIPE
      sleep $1 3<&- >/dev/null 2>&1 &
      echo "_rc_s=$!;"
      exec 3<&- >/dev/null 2>&1
      wait $!
      kill -0 $$ && _rc_k ) </dev/null &
    echo "_rc_p=$!;"
  )"
  ( trap "" HUP INT QUIT TERM PIPE
    while read -r _rc_l; do :; done
    kill -KILL $_rc_s ) <&3 >/dev/null 2>&1 &
  _rc_r=$!
  exec 3<&-
}

# rc_unwatch: give the input back. The reader is waited for: a job that came a moment later would be read by it.
rc_unwatch() {
  kill -KILL $_rc_p $_rc_s $_rc_r
  wait $_rc_r
}

# rc_search DIRECTORY END: run _rc_c as a process of its own, and its answer's end; `last` as the third word gives the
# input back before that, because the next job may come as soon as the end is read.
rc_search() {
  ( exec </dev/null
    _rc_d "$1"
    unset OLDPWD
    command -v bash >/dev/null 2>&1 && exec bash --norc -c "$_rc_c"
    exec sh -c "$_rc_c" )
  _rc_l=$?
  [ -z "$3" ] || rc_unwatch 2>/dev/null
  echo "$2" >&2
  echo "$2 $_rc_l"
}
