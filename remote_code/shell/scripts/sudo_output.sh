# shellcheck shell=sh disable=SC2034,SC2154,SC2162
# The output half of a sudo pair, run as a job of a standby shell: its streams are the command's, its input the lifeline.
# Two `cat` stand between, because Dropbear gives its own descriptors to nobody. The holder first tells its process id,
# then reads the process group of the terminal half, opens that terminal (else sshd would end the channel as soon as
# the command has redirected its streams), then reads the deadline and watches.

_rc_h() {
  read -r _rc_p _rc_l </proc/self/stat
  echo "$_rc_t $_rc_p"
  read -r _rc_g || exit
  exec 5<>"/proc/$_rc_g/fd/0"
  echo "$_rc_t tty"
  read -r _rc_l || exit
  sleep "$_rc_l" <&- >&- 2>&- 5>&- &
  _rc_s=$!
  exec 4<&0
  ( while read -r _rc_l; do :; done
    kill -KILL $_rc_s ) <&4 >&- 2>&- 5>&- &
  exec 4<&- <&-
  wait $_rc_s 2>/dev/null || wait
  kill -0 "$_rc_g" 2>/dev/null && _rc_k >/dev/null 2>&1
  # Whoever still holds the pipes is a background child of the command: it keeps running, the two `cat` do not.
  ( sleep 3
    kill -KILL 0 ) </dev/null >/dev/null 2>&1 5>&- &
}
( ( _rc_h ) 2>&1 >&3 3>&- | cat >&2 3>&- ) 3>&1 | cat
