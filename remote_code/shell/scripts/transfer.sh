# shellcheck shell=sh disable=SC2034,SC2154,SC2086
# Large files over a stream of their own, for a standby shell. Each ends with `SIZE SHA256` on standard error; the digest is
# taken beside the copying, so that it costs no time of the link.

# rc_digest: SHA-256 of standard input in hex, by whatever this machine has; `-` without any. openssl comes first: it knows
# the processor's own instructions, where coreutils would take longer than the server takes to encrypt the same bytes.
rc_digest() {
  { openssl dgst -sha256 -r 2>/dev/null || sha256sum 2>/dev/null || shasum -a 256 2>/dev/null ||
    sha256 2>/dev/null || echo -; } | { read -r rc_d rc_l; echo "$rc_d"; }
}

# rc_send SECONDS FILE: its bytes on standard output.
rc_send() {
  _rc_w $1
  [ -f "$2" ] && exec <"$2" || exit 66
  rc_digest <"$2" >&2 &
  cat
  rc_s=$?
  wait
  exit $rc_s
}

# rc_take_file FILE BYTES BLOCK N: make it; it must not exist. What follows, up to the end of the input, is its last part:
# N blocks of 64 kB from number BLOCK on, or the whole file if N is 0. The other parts are there before the last byte
# comes, so that its size tells whether it is whole; else it is removed again.
rc_take_file() {
  # When the link is cut, what is said here reaches nobody; that must not end the shell before it has cleaned up.
  trap "" HUP PIPE
  set -C
  { command exec 9>"$1"; } 2>/dev/null || exit 73
  echo made 2>/dev/null
  rc_fill "$1" $3 $4 && rc_s=$(wc -c <"$1") && [ $rc_s -eq $2 ] && exit
  rm -f -- "$1"
  exit 74
}

# rc_take_part FILE BLOCK N: the same of another part, into the file that is there.
rc_take_part() {
  [ -f "$1" ] && { command exec 9<>"$1"; } 2>/dev/null || exit 75
  rc_fill "$1" $2 $3 || exit 74
}

# rc_fill FILE BLOCK N: write the input to descriptor 9, which is open on the file, and digest what the file then holds;
# all of it if N is 0.
rc_fill() {
  dd bs=65536 seek=$2 conv=notrunc >&9 2>/dev/null || return
  if [ $3 -eq 0 ]; then rc_digest <"$1" >&2
  else dd bs=65536 skip=$2 count=$3 <"$1" 2>/dev/null | rc_digest >&2; fi
}
