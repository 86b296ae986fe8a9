# shellcheck shell=sh disable=SC2034,SC2154,SC2086
# What a standby shell needs for a user's command: its directory, its watcher, and the step into the command itself.

# _rc_d DIRECTORY: go there, or say on standard error why not and end.
_rc_d() {
  cd -- "$1" 2>/dev/null && return
  _rc_l=missing
  [ ! -e "$1" ] || _rc_l="file"
  [ ! -d "$1" ] || _rc_l=denied
  echo "$_rc_t cd $_rc_l" >&2
  exit 125
}

# _rc_k: end the process group. TERM is sent from another group: sudo passes on no TERM of its own group.
_rc_k() {
  setsid @SHELL@ -c "kill -TERM -$_rc_g" || kill -TERM -$_rc_g
  sleep 3
  kill -KILL -$_rc_g
}

# _rc_w SECONDS: start the watcher and take the input away from the command.
# Two forks make it an orphan in the command's group that holds no output. It ends the group when the input closes
# (the engine's lifeline) or after SECONDS, unless the leader is gone already. Until its own KILL it pins the group's id.
_rc_w() {
  exec 3<&0
  ( ( trap "" HUP INT QUIT TERM PIPE
      exec >/dev/null 2>&1 </dev/null
      sleep $1 3<&- &
      _rc_s=$!
      ( while read -r _rc_l; do :; done <&3
        kill -KILL $_rc_s ) &
      exec 3<&-
      wait $_rc_s || wait
      kill -0 $$ && _rc_k ) & )
  exec 3<&- </dev/null
}

# _rc_u SECONDS: become the command in _rc_c, so that its exit status or signal is the channel's own.
_rc_u() {
  unset OLDPWD
  _rc_w $1
  command -v bash >/dev/null 2>&1 && exec bash --norc -c "$_rc_c"
  exec sh -c "$_rc_c"
}

# _rc_m BYTES: copy so many bytes of the input, and maybe read more of it: nothing else follows them.
_rc_m() { head -c $1; }

# _rc_r BYTES: take _rc_c from the input, where it is followed by the token; a command that was cut is never run.
_rc_r() {
  _rc_c=$(_rc_m $1)
  case $_rc_c in *"$_rc_t") _rc_c=${_rc_c%"$_rc_t"};; *) exit 126;; esac
}
