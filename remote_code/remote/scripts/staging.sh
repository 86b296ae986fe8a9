# shellcheck shell=sh disable=SC2034,SC2154
# The staging place, for what cannot lie beside the file, and the locks that keep two engines apart.

RC_STAGE=

# rc_process PID: set RC_PROCESS to what tells the process from a later one with the same number; false when it is dead.
rc_process() {
  kill -0 "$1" 2>/dev/null || return
  RC_PROCESS=$1
  if { read -r process_stat <"/proc/$1/stat"; } 2>/dev/null; then
    # The name in parentheses may hold anything; the start time is the 20th word behind it.
    process_id=$1
    set -f
    # shellcheck disable=SC2086
    set -- ${process_stat##*) }
    set +f
    RC_PROCESS="$process_id ${20}"
  else
    RC_PROCESS="$1 $(ps -o lstart= -p "$1" 2>/dev/null)"
  fi
}

RC_SELF=
if [ -z "$RC_FLOCK" ] && rc_process "$$"; then RC_SELF=$RC_PROCESS; fi

# rc_stage: make sure that the staging place exists, and set RC_STAGE to it. It is ours alone: 0700, no link, our uid.
# All workers of the account must come to the same answer, or their locks would not meet: that the place vanishes
# between two looks, because the last job that used it removes it, is no reason to go elsewhere.
rc_stage() {
  for stage_path in "/tmp/.remote-code-$RC_UID" "$HOME/.remote-code-$RC_UID"; do
    stage_tries=0
    while [ "$stage_tries" -lt 100 ]; do
      stage_tries=$((stage_tries + 1))
      (umask 077; mkdir -- "$stage_path") 2>/dev/null
      stage_state=$(rc_stat "$stage_path")
      case $stage_state in
        '')
          [ -w "${stage_path%/*}" ] || break
          continue
          ;;
        41[cC]0\ *) ;;
        *) break ;;
      esac
      stage_state=${stage_state#* * * }
      [ "${stage_state%% *}" = "$RC_UID" ] || break
      if [ -w "$stage_path" ]; then
        RC_STAGE=$stage_path
        return 0
      fi
      [ ! -d "$stage_path" ] || break
    done
  done
  RC_STAGE=
  return 1
}

# rc_unstage: remove the staging place unless something of another job lies in it.
rc_unstage() {
  [ -z "$RC_STAGE" ] || rmdir -- "$RC_STAGE" 2>/dev/null
  RC_STAGE=
}

# rc_lock INDEX...: lock the real directories RC_dirINDEX for this job, in this order; RC_LOCKED says how it went:
#   flock all, some (more than five), none (a directory cannot be opened), file (one lock file for all), busy
# POSIX promises the descriptors 3 to 9 only: 3 to 7 hold locks, 8 the file being replaced, 9 the payload.
rc_lock() {
  [ -n "$RC_FLOCK" ] || {
    rc_lock_file
    return
  }
  RC_LOCKED=flock
  lock_n=0
  for lock_i do
    eval "lock_dir=\${RC_dir$lock_i:-/}"
    # Locked twice, a directory would wait for itself.
    rc_is_locked "$lock_dir" && continue
    [ "$lock_n" -lt 5 ] || {
      RC_LOCKED=some
      return 0
    }
    lock_fd=$((lock_n + 3))
    lock_n=$((lock_n + 1))
    eval "lock_held$lock_n=\$lock_dir"
    # A failed exec would end dash and ash: hence "command", and braces, or the 2> would stay.
    if { eval "command exec $lock_fd<\"\$lock_dir\""; } 2>/dev/null; then
      flock -w 10 "$lock_fd" 2>/dev/null && continue
      [ $? -ne 1 ] || {
        RC_LOCKED=busy
        return 1
      }
    fi
    RC_LOCKED=none
  done
}

rc_is_locked() {
  locked_i=0
  while [ "$locked_i" -lt "$lock_n" ]; do
    locked_i=$((locked_i + 1))
    eval "locked_dir=\$lock_held$locked_i"
    [ "$locked_dir" != "$1" ] || return 0
  done
  return 1
}

# Without flock: one lock file for all engines of this account on this machine, taken over when its owner is dead.
rc_lock_file() {
  [ -n "$RC_STAGE" ] || rc_stage || {
    RC_LOCKED=none
    return 0
  }
  file_tries=0 file_empty=0
  while :; do
    file_path=$RC_STAGE/lock
    set -C
    if { echo "$RC_SELF" >"$file_path"; } 2>/dev/null; then
      set +C
      RC_LOCKED="file"
      return 0
    fi
    set +C
    file_owner=
    { read -r file_owner <"$file_path"; } 2>/dev/null
    file_tries=$((file_tries + 1))
    # Its owner writes its name right after making it; one that stays empty has died in between.
    if [ -z "$file_owner" ] && [ -e "$file_path" ]; then file_empty=$((file_empty + 1)); else file_empty=0; fi
    [ -d "$RC_STAGE" ] || rc_stage || {
      RC_LOCKED=none
      return 0
    }
    if ! rc_is_alive "$file_owner" || [ "$file_empty" -ge 50 ]; then
      file_empty=0
      # Moved away first and looked at again: another worker may have taken it over meanwhile.
      if mv -f -- "$file_path" "$file_path.$$" 2>/dev/null; then
        file_moved=
        read -r file_moved <"$file_path.$$"
        [ "$file_moved" = "$file_owner" ] || ln -- "$file_path.$$" "$file_path" 2>/dev/null
        rm -f -- "$file_path.$$"
      fi
      continue
    fi
    [ "$file_tries" -lt 500 ] || {
      RC_LOCKED=busy
      return 1
    }
    sleep 0.02 2>/dev/null || sleep 1
  done
}

# rc_is_alive OWNER: whether the owner of a lock file may still run; an empty one has not written its name yet.
rc_is_alive() {
  [ -n "$1" ] || return 0
  rc_process "${1%% *}" && [ "$RC_PROCESS" = "$1" ]
}

# rc_is_ours: whether the lock is still ours; one that was taken over by mistake is seen before anything is changed.
rc_is_ours() {
  [ "$RC_LOCKED" = file ] || return 0
  ours_owner=
  { read -r ours_owner <"$RC_STAGE/lock"; } 2>/dev/null
  [ "$ours_owner" = "$RC_SELF" ]
}

rc_unlock() {
  if [ "$RC_LOCKED" = file ] && rc_is_ours; then rm -f -- "$RC_STAGE/lock"; fi
  exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&-
}
