# shellcheck shell=sh disable=SC2034,SC2153,SC2154
# Write, create and remove files: all compared before the first is changed, each replaced by a rename.
#
# rc_begin TOKEN
# rc_item w|r PATH STATE OLD-DIGEST NEW-DIGEST MODE [SIZE]   once per file; SIZE bytes are taken from standard input
# rc_commit INDEX...                                         all items once, in the order in which their directories are locked
#   STATE: the state that the file must have; "absent"; "-" and the state when it must have OLD-DIGEST too, as the state
#   was young when it was taken; "+" and the state when it still is young, and would not tell of a further change
#   digests and MODE may be "-"
# Prints for each file that was written "I index in-place length state" and its real path; before it "L index", bytes,
# a newline and TOKEN, when somebody wrote into the old file after it was compared; last
# "E reason index lock=… done=k": the first k items have been written, the others not.
# New contents go to DIR/.rc-TOKEN-INDEX first. A cut at any byte leaves these, and each target old or new.

rc_begin() {
  RC_TOKEN=$1 RC_N=0 RC_FAILED=''
}

# rc_fail REASON [INDEX]: note the first thing that went wrong; nothing more is changed from then on.
rc_fail() {
  [ -n "$RC_FAILED" ] || RC_FAILED="$1 ${2:-$RC_N}"
  return 1
}

rc_item() {
  RC_N=$((RC_N + 1))
  [ -n "$RC_FAILED" ] || rc_prepare "$@"
  [ "$1" = r ] || rc_receive "$7"
}

# Sets the variables of item RC_N and decides where its new contents are laid down: RC_temp, empty for a removal.
rc_prepare() {
  rc_real "$2"
  cd /
  eval "RC_op$RC_N=\$1 RC_old_state$RC_N=\$3 RC_old_digest$RC_N=\$4 RC_new_digest$RC_N=\$5 RC_mode$RC_N=\$6"
  eval "RC_path$RC_N=\$RC_PATH RC_dir$RC_N=\$RC_DIR RC_kind$RC_N=\$RC_KIND RC_in_place$RC_N=0 RC_temp$RC_N="
  eval "RC_size$RC_N=\${7-}"
  rc_allowed "$RC_PATH" || {
    rc_fail outside
    return
  }
  case $RC_KIND$3 in
    fabsent) rc_fail exists || return ;;
    f* | aabsent) ;;
    Aabsent) [ "$1" = r ] || rc_make_parent || return ;;
    [aA]*) rc_fail gone || return ;;
    x*) rc_fail denied || return ;;
    *) rc_fail kind || return ;;
  esac
  prepare_dir=$RC_DIR
  if [ ! -w "$RC_DIR/" ]; then
    # In a closed directory a file can still be written in place, from contents that are staged elsewhere.
    if [ "$RC_KIND$1" != fw ] || { [ -z "$RC_STAGE" ] && ! rc_stage; }; then
      rc_fail denied
      return
    fi
    prepare_dir=$RC_STAGE
    eval "RC_in_place$RC_N=dir"
  fi
  [ "$1" = r ] || eval "RC_temp$RC_N=\$prepare_dir/.rc-\$RC_TOKEN-\$RC_N"
}

rc_make_parent() {
  [ -d "$RC_DIR" ] || (umask "$RC_UMASK"; mkdir -p -- "$RC_DIR") 2>/dev/null || {
    rc_fail mkdir
    return
  }
  # What was made must be what was allowed: a link may have come in the way.
  make_real=
  if cd -P -- "$RC_DIR" 2>/dev/null; then make_real=$PWD; fi
  cd /
  [ "$make_real" = "$RC_DIR" ] || rc_fail changed
}

# rc_receive SIZE: take the new contents of item RC_N. Whatever fails, all SIZE bytes are taken: what follows is the
# next job.
rc_receive() {
  eval "receive_temp=\$RC_temp$RC_N"
  receive_open=
  if [ -z "$RC_FAILED" ]; then
    # O_EXCL; closed to others until the mode of the old file is known; a new file has the person's own umask.
    set -C
    [ "$RC_KIND" != f ] || umask 077
    if { command exec 9>"$receive_temp"; } 2>/dev/null; then
      receive_open=1
    else
      eval "RC_temp$RC_N="
      rc_fail space
    fi
    umask "$RC_UMASK"
    set +C
  fi
  if [ -z "$receive_open" ]; then
    eval "RC_temp$RC_N="
    rc_take "$1" >/dev/null
    return
  fi
  if [ "$1" -le 65536 ]; then
    rc_take "$1" >&9 || rc_fail space
  else
    rc_take "$1" | { cat >&9 || { cat >/dev/null; false; }; } 2>/dev/null || rc_fail space
  fi
  exec 9>&-
}

rc_commit() {
  # All payload is taken; nothing that runs from here may read the next job.
  exec </dev/null
  RC_LOCKED=none RC_DONE=0
  [ -n "$RC_FAILED" ] || rc_lock "$@" || rc_fail busy 0
  [ -n "$RC_FAILED" ] || rc_check
  commit_i=0
  while [ -z "$RC_FAILED" ] && [ "$commit_i" -lt "$RC_N" ]; do
    commit_i=$((commit_i + 1))
    rc_apply "$commit_i"
  done
  rc_unlock
  [ -z "$RC_FAILED" ] || rc_discard
  rc_unstage
  printf 'E %s lock=%s done=%s\n' "${RC_FAILED:-ok 0}" "$RC_LOCKED" "$RC_DONE"
  # A worker that may have bytes of a payload left must not serve another job.
  case $RC_FAILED in space* | payload*) return 75 ;; esac
  return 0
}

rc_discard() {
  discard_list='' discard_i=0
  while [ "$discard_i" -lt "$RC_N" ]; do
    discard_i=$((discard_i + 1))
    eval "discard_temp=\$RC_temp$discard_i"
    [ -z "$discard_temp" ] || discard_list="$discard_list \"\$RC_temp$discard_i\""
  done
  [ -z "$discard_list" ] || eval "rm -f -- $discard_list"
}

# rc_apply INDEX: compare once more, and put the new contents in the place of the old ones.
rc_apply() {
  eval "apply_op=\$RC_op$1 apply_path=\$RC_path$1 apply_temp=\$RC_temp$1 apply_kind=\$RC_kind$1"
  # The old file stays open, so that what is written into it from now on can be read after the rename.
  [ "$apply_kind" != f ] || { command exec 8<"$apply_path"; } 2>/dev/null || {
    [ -e "$apply_path" ] || rc_fail changed "$1" || return
    rc_fail denied "$1" || return
  }
  if [ "$RC_N" -eq 1 ]; then rc_compare 1; else rc_compare "$1" again; fi && rc_may_write "$1" || return
  rc_is_ours || rc_fail busy "$1" || return
  eval "apply_in_place=\$RC_in_place$1"
  case $apply_op$apply_kind$apply_in_place in
    r*)
      rm -f -- "$apply_path" 2>/dev/null || rc_fail denied "$1" || return
      ;;
    wf0)
      # shellcheck disable=SC2086
      mv -f $RC_EXACT -- "$apply_temp" "$apply_path" 2>/dev/null || {
        apply_in_place=mount
        rc_overwrite "$1" || return
      }
      ;;
    wf*)
      rc_overwrite "$1" || return
      ;;
    *)
      rc_place_new "$1" || return
      ;;
  esac
  eval "RC_temp$1="
  RC_DONE=$1
  rc_report "$1"
}

# rc_place_new INDEX: give the new contents their name; never over something that has it by now.
rc_place_new() {
  # shellcheck disable=SC2086
  if ln $RC_EXACT -- "$apply_temp" "$apply_path" 2>/dev/null; then
    rm -f -- "$apply_temp"
    return 0
  fi
  if [ -e "$apply_path" ] || [ -L "$apply_path" ]; then
    rc_fail exists "$1"
    return
  fi
  # A file system without hard links.
  # shellcheck disable=SC2086
  mv -n $RC_EXACT -- "$apply_temp" "$apply_path" 2>/dev/null
  [ ! -e "$apply_temp" ] || {
    [ -e "$apply_path" ] && rc_fail exists "$1"
    rc_fail denied "$1"
  }
}

# rc_overwrite INDEX: write the target in place, with complete copies of the old and the new contents beside the temp.
rc_overwrite() {
  eval "overwrite_digest=\$RC_new_digest$1 overwrite_size=\$RC_size$1"
  overwrite_old=$apply_temp.old
  # ">" empties the target before cat can say that it has nothing to read.
  [ -f "$apply_temp" ] || rc_fail payload "$1" || return
  # Where access is decided elsewhere (NFS) only trying tells whether the file may be written.
  { command exec 9>>"$apply_path"; } 2>/dev/null || rc_fail denied "$1" || return
  exec 9>&-
  (umask 077; set -C; cat <&8 >"$overwrite_old") 2>/dev/null || {
    rm -f -- "$overwrite_old"
    rc_fail space "$1" || return
  }
  if cat -- "$apply_temp" >"$apply_path" && rc_digest_each "$apply_path" &&
    { [ "$RC_digest1" = "$overwrite_digest" ] || rc_is_whole "$apply_path" "$overwrite_size"; }; then
    rm -f -- "$apply_temp" "$overwrite_old"
  elif cat -- "$overwrite_old" >"$apply_path"; then
    rm -f -- "$overwrite_old"
    rc_fail space "$1"
  else
    # Both copies stay: they are all that is whole.
    eval "RC_temp$1="
    rc_fail broken "$1"
  fi 2>/dev/null
}

# rc_report INDEX: print the new state, and before it what came late into a file that was replaced or removed.
rc_report() {
  if [ "$apply_kind" = f ]; then
    if [ "$apply_op" = r ]; then
      report_late=$(rc_stat_held) report_state=absent
    else
      report_text=$(rc_stat_held "$apply_path")
      report_late=${report_text%%"$RC_NEWLINE"*} report_state=${report_text#*"$RC_NEWLINE"}
    fi
    if [ "$apply_in_place" = 0 ]; then
      rc_content_key "$RC_TARGET_STATE"
      report_key=$RC_KEY
      rc_content_key "$report_late"
      [ "$report_key" = "$RC_KEY" ] || {
        printf 'L %s\n' "$1"
        cat <&8
        printf '\n%s\n' "$RC_TOKEN"
      }
    fi
  else
    report_state=$(rc_stat "$apply_path")
  fi
  printf 'I %s %s %s %s\n%s\n' "$1" "$apply_in_place" "${#apply_path}" "${report_state:-absent}" "$apply_path"
}

# rc_content_key STATE: set RC_KEY to what only writing changes, size and mtime; a rename changes links and ctime.
rc_content_key() {
  RC_KEY=${1#* }
  key_times=${RC_KEY#* * * * * * }
  RC_KEY="${RC_KEY%% *} ${key_times%%|*}"
}

# rc_stat_held [PATH]: print the state of the file that descriptor 8 holds, and of PATH.
rc_stat_held() {
  case $RC_STAT in
    gnu) exec stat -L -c '%f %s %h %u %g %i %d %y|%z' -- "$RC_HELD" "$@" 2>/dev/null ;;
    *)
      stat -f '%Xp %z %l %u %g %i %d %Fm|%Fc' <&8
      [ $# -eq 0 ] || exec stat -f '%Xp %z %l %u %g %i %d %Fm|%Fc' -- "$@"
      ;;
  esac
}
