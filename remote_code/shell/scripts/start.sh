# shellcheck shell=sh disable=SC2034
# The beginning of every worker shell: it becomes the leader of a process group of its own and prints its ready line.
# $0 and $1 are the words that started it (`eval "$1"` and this text), so that it can start itself once more.
# $2 says how the group was made: empty = the server made it (OpenSSH), s = by setsid (Dropbear), m = by job control.
#
# All files of this folder are joined to one line before they are sent (boot.py). A single quote, a backslash and
# an exclamation mark before anything but a blank would be read differently by csh, fish or tcsh, so there are none.

kill -0 -$$ 2>/dev/null || case $2 in
  "") command -v setsid >/dev/null 2>&1 && exec setsid @SHELL@ -c "$0" "$0" "$1" s
    set -m 2>/dev/null
    @SHELL@ -c "$0" "$0" "$1" m
    exit;;
esac

# The token comes in two halves: a login shell with `set -x` repeats this text, but never the whole token.
_rc_t=@TOKEN_HEAD@
_rc_t=${_rc_t}@TOKEN_TAIL@

# _rc_g is the process group; without setsid and job control it is the server's own, as /proc knows.
_rc_g=$$
kill -0 -$$ 2>/dev/null || read -r _rc_l _rc_l _rc_l _rc_l _rc_g _rc_l </proc/$$/stat
