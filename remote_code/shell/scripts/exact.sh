# shellcheck shell=sh disable=SC2154,SC2086
# Reads a counted number of bytes and not one more, so that whatever follows them is still there.

# _rc_x BYTES: copy exactly so many bytes of the input. `head -c` of BusyBox would take more; see its proof below.
_rc_x() { dd bs=65536 iflag=fullblock,count_bytes count=$1 2>/dev/null; }
_rc_q() { printf abc | { _rc_x 2; read -r _rc_l; echo "-$_rc_l"; }; }
case $(_rc_q) in ab-c) ;; *) _rc_x() { dd ibs=1 obs=65536 count=$1 2>/dev/null; };; esac
case $(_rc_q) in ab-c) ;; *) echo "dd cannot copy a counted number of bytes" >&2; exit 127;; esac
