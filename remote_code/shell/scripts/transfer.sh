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

# rc_take_file FILE BYTES: make it from the bytes that follow, up to the end of the input; it must not exist. Removed again
# if not all of them come.
rc_take_file() {
  set -C
  command : >"$1" || exit 73
  rc_n=$({ tee -- "$1" || rm -f -- "$1"; } | rc_digest)
  rc_s=$(wc -c <"$1") && [ $rc_s -eq $2 ] && echo "$rc_n" >&2 && exit
  rm -f -- "$1"
  exit 74
}
