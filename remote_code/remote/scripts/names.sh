# shellcheck shell=sh disable=SC2034,SC2154
# Names: moving a file, making directories.

# rc_name PATH: set RC_PATH and RC_DIR to the real directory and the name itself; a link stays the link.
rc_name() {
  RC_PATH=$1
  rc_trim
  name_last=${RC_PATH##*/} RC_DIR=${RC_PATH%/*}
  case $name_last in '' | . | ..) return 1 ;; esac
  cd -P -- "${RC_DIR:-/}" 2>/dev/null || {
    cd /
    return 1
  }
  RC_PATH=${PWD%/}/$name_last
  cd /
  rc_trim
  RC_DIR=${RC_PATH%/*}
}

# rc_move FROM STATE TO: give a file another name, never over something that has it.
# Prints "reason length state" and the real path of the new name. After a cut the file may have both names.
rc_move() {
  RC_N=2 RC_FAILED='' RC_LOCKED=none
  move_state=
  if rc_name "$1" && rc_allowed "$RC_PATH"; then :; else rc_fail outside 1; fi
  move_from=$RC_PATH RC_dir1=$RC_DIR
  if rc_name "$3"; then rc_allowed "$RC_PATH" || rc_fail outside 2; else rc_fail directory 2; fi
  move_to=$RC_PATH RC_dir2=$RC_DIR
  [ -n "$RC_FAILED" ] || rc_lock 1 2 || rc_fail busy 0
  [ -n "$RC_FAILED" ] || rc_move_locked "$2"
  rc_unlock
  rc_unstage
  printf '%s %s %s\n%s\n' "${RC_FAILED:-ok 0}" "${#move_to}" "${move_state:--}" "$move_to"
}

rc_move_locked() {
  if [ -e "$move_to" ] || [ -L "$move_to" ]; then
    rc_fail exists 2
    return
  fi
  move_state=$(rc_stat "$move_from")
  [ "$move_state" = "$1" ] || rc_fail changed 1 || return
  # shellcheck disable=SC2086
  if ln $RC_EXACT -- "$move_from" "$move_to" 2>/dev/null; then
    rm -f -- "$move_from" 2>/dev/null || rc_fail denied 1
  elif [ -e "$move_to" ] || [ -L "$move_to" ]; then
    rc_fail exists 2
  else
    mv -n $RC_EXACT -- "$move_from" "$move_to" 2>/dev/null
    if [ -e "$move_from" ] || [ -L "$move_from" ]; then
      [ ! -e "$move_to" ] || rc_fail exists 2
      rc_fail denied 1
    fi
  fi
  move_state=$(rc_stat "$move_to")
}

# rc_make_dirs PATH: make a directory and its parents. Prints "kind length" and the real path; kind: "new" when it was
# made, "denied" when that failed, else as rc_real says.
rc_make_dirs() {
  rc_real "$1"
  cd /
  rc_allowed "$RC_PATH" || RC_KIND=O
  case $RC_KIND in
    a | A)
      if (umask "$RC_UMASK"; mkdir -p -- "$RC_PATH") 2>/dev/null; then RC_KIND=new; else RC_KIND=denied; fi
      ;;
  esac
  printf '%s %s\n%s\n' "$RC_KIND" "${#RC_PATH}" "$RC_PATH"
}
