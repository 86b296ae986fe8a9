# shellcheck shell=sh disable=SC2034,SC2153,SC2154
# Parts of large files, and directories.

# rc_lines TOKEN PATH FIRST COUNT LIMIT: lines FIRST to FIRST + COUNT - 1, at most LIMIT bytes of them.
# rc_bytes TOKEN PATH OFFSET COUNT: up to COUNT bytes from OFFSET.
# Both print "kind length state", the real path, and for a file the bytes, a newline, TOKEN and the state afterwards.
rc_lines() {
  rc_range_head "$2" || return 0
  # With SIGPIPE ignored tail would write on to the end of the file, and complain.
  (trap - PIPE; exec tail -n "+$3" -- "$RC_PATH") 2>/dev/null | head -n "$4" | head -c "$5"
  rc_range_tail "$1"
}

rc_bytes() {
  rc_range_head "$2" || return 0
  if [ "$RC_READER" = block ]; then
    dd bs=65536 iflag=skip_bytes,count_bytes,fullblock skip="$3" count="$4" 2>/dev/null <"$RC_PATH"
  else
    dd bs=4096 skip=$(($3 / 4096)) count=$((($3 % 4096 + $4 + 4095) / 4096)) 2>/dev/null <"$RC_PATH" |
      (trap - PIPE; exec tail -c "+$(($3 % 4096 + 1))") 2>/dev/null | head -c "$4"
  fi
  rc_range_tail "$1"
}

rc_range_head() {
  rc_real "$1"
  cd /
  rc_allowed "$RC_PATH" || RC_KIND=O
  range_state=
  [ "$RC_KIND" != f ] || range_state=$(rc_stat "$RC_PATH") || RC_KIND=a
  [ "$RC_KIND" != f ] || [ -r "$RC_PATH" ] || RC_KIND='!'
  printf '%s %s %s\n%s\n' "$RC_KIND" "${#RC_PATH}" "${range_state:--}" "$RC_PATH"
  [ "$RC_KIND" = f ]
}

rc_range_tail() {
  printf '\n%s\n' "$1"
  (rc_stat "$RC_PATH")
  return 0
}

# rc_list TOKEN PATH: print "kind length form" and the real path; for a directory then its names, each ended by NUL.
#   form printf: each name has its own type and the type where it leads before it
#   form print0: all names, then those of directories (links followed), then those of links; between them NUL TOKEN NUL
rc_list() {
  rc_real "$2"
  rc_allowed "$RC_PATH" || RC_KIND=O
  [ "$RC_KIND" != d ] || { [ -r "$RC_PATH" ] && cd -P -- "$RC_PATH" 2>/dev/null; } || RC_KIND='!'
  printf '%s %s %s\n%s\n' "$RC_KIND" "${#RC_PATH}" "$RC_FIND" "$RC_PATH"
  if [ "$RC_KIND" = d ]; then
    case $RC_FIND in
      printf)
        find . -mindepth 1 -maxdepth 1 -printf '%y%Y%f\0'
        ;;
      *)
        find . ! -name . -prune -print0
        printf '\0%s\0' "$1"
        find -L . ! -name . -prune -type d -print0
        printf '\0%s\0' "$1"
        find . ! -name . -prune -type l -print0
        ;;
    esac 2>/dev/null
    printf '\0%s\0' "$1"
  fi
  cd /
}
