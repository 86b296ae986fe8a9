# shellcheck shell=sh disable=SC2034,SC2154
# After a cut: remove what a replace has left, and make whole a file that was half-written in place.

# rc_clean [TOKEN INDEX PATH REAL OLD-DIGEST NEW-DIGEST]...: PATH as it was asked, REAL the real path if known, else "-".
# Prints for each "index word": "none" nothing was left; "removed"; "repaired" the old contents were written back; "kept"
# somebody else has written the file since, or it cannot be written: the copies were left where they are.
rc_clean() {
  clean_n=0
  while [ $# -ge 6 ]; do
    clean_n=$((clean_n + 1))
    clean_word=none real_text=''
    rc_real "$3"
    cd /
    clean_name=.rc-$1-$2
    rc_clean_one "$RC_PATH" "$RC_DIR/$clean_name" "$5" "$6"
    [ "$4" = - ] || [ "$4" = "$RC_PATH" ] || rc_clean_one "$4" "${4%/*}/$clean_name" "$5" "$6"
    for clean_stage in "/tmp/.remote-code-$RC_UID" "$HOME/.remote-code-$RC_UID"; do
      if [ ! -d "$clean_stage" ] || [ -L "$clean_stage" ]; then continue; fi
      rc_clean_one "$RC_PATH" "$clean_stage/$clean_name" "$5" "$6"
      rc_clean_locks "$clean_stage"
      rmdir -- "$clean_stage" 2>/dev/null
    done
    printf '%s %s\n' "$clean_n" "$clean_word"
    shift 6
  done
}

# rc_clean_locks STAGE: remove lock files whose owners are dead.
rc_clean_locks() {
  for locks_path in "$1/lock".*; do
    kill -0 "${locks_path##*.}" 2>/dev/null || rm -f -- "$locks_path"
  done
  [ ! -e "$1/lock" ] || {
    # Taking it over, and giving it up, is what removes the one of a dead owner.
    rc_lock_file && rc_unlock
    rc_unstage
  }
}

# rc_clean_one TARGET TEMP OLD-DIGEST NEW-DIGEST
rc_clean_one() {
  [ -e "$2" ] || [ -e "$2.old" ] || [ -e "$2.a" ] || return 0
  # The job that made them may still run: its lock is waited for.
  RC_dir1=${1%/*}
  rc_lock 1 || {
    clean_word=kept
    return
  }
  clean_word=removed
  [ ! -e "$2.old" ] || rc_clean_in_place "$@"
  [ "$clean_word" = kept ] || rm -f -- "$2" "$2.old" "$2.a"
  rc_unlock
}

# The old copy is complete before the target is touched, and the target then holds the first bytes of the new or the old
# contents until it is whole. Anything else in it is somebody's work and stays.
rc_clean_in_place() {
  rc_digest_each "$1"
  case $RC_digest1 in "$3" | "$4") return ;; esac
  rc_digest_each "$2.old"
  [ "$RC_digest1" = "$3" ] || return
  rc_is_beginning "$1" "$2" || rc_is_beginning "$1" "$2.old" || {
    clean_word=kept
    return
  }
  if cat -- "$2.old" >"$1" && rc_digest_each "$1" && [ "$RC_digest1" = "$3" ]; then
    clean_word=repaired
  else
    clean_word=kept
  fi 2>/dev/null
}

# rc_is_beginning PART WHOLE: whether WHOLE begins with all bytes of PART.
rc_is_beginning() {
  beginning_size=$(rc_stat "$1")
  beginning_size=${beginning_size#* }
  beginning_size=${beginning_size%% *}
  # cmp would say the same, but not every machine has it.
  beginning_part=$(rc_take "$beginning_size" <"$2" | rc_sha_input)
  [ -n "$beginning_size" ] && [ "$beginning_part" = "$(rc_sha_input <"$1")" ]
}

# Print what identifies standard input, by the digest program.
rc_sha_input() {
  case $RC_SHA in
    sha256sum) exec sha256sum ;;
    shasum) exec shasum -a 256 ;;
    sha256) exec sha256 ;;
    *) exec openssl dgst -sha256 ;;
  esac
}
