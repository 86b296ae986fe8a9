# shellcheck shell=sh disable=SC2034,SC2153,SC2154
# What must be true before the first file of a replace is changed; the second part of replace.sh.

# Gives the new files their attributes, proves the payloads, and compares all targets, before the first is changed.
# One program for all states and one for all digests, however many files there are.
rc_check() {
  check_list='' check_i=0 check_n=0
  while [ "$check_i" -lt "$RC_N" ]; do
    check_i=$((check_i + 1))
    eval "RC_found$check_i= RC_now$check_i= check_temp=\$RC_temp$check_i check_kind=\$RC_kind$check_i"
    eval "check_old=\$RC_old_digest$check_i check_mode=\$RC_mode$check_i"
    if [ -n "$check_temp" ] && [ "$check_kind" = f ]; then
      eval "rc_copy_attributes \"\$RC_path$check_i\" \"\$RC_temp$check_i\""
    elif [ -n "$check_temp" ] && [ "$check_mode" != - ]; then
      chmod -- "$check_mode" "$check_temp" 2>/dev/null || rc_fail denied "$check_i" || return
    fi
    [ -z "$check_temp" ] || {
      check_n=$((check_n + 1))
      eval "check_item$check_n=$check_i check_what$check_n=new"
      check_list="$check_list \"\$RC_temp$check_i\""
    }
    [ "$check_kind" != f ] || [ "$check_old" = - ] || {
      check_n=$((check_n + 1))
      eval "check_item$check_n=$check_i check_what$check_n=old"
      check_list="$check_list \"\$RC_path$check_i\""
    }
  done
  rc_digests "$check_n" "$check_list"
  check_i=0
  while [ "$check_i" -lt "$check_n" ]; do
    check_i=$((check_i + 1))
    eval "check_digest=\$RC_digest$check_i check_j=\$check_item$check_i check_what=\$check_what$check_i"
    eval "check_new=\$RC_new_digest$check_j"
    if [ "$check_what" = old ]; then
      eval "RC_found$check_j=\$check_digest"
    elif [ "$check_digest" != "$check_new" ]; then
      eval "rc_is_whole \"\$RC_temp$check_j\" \"\$RC_size$check_j\"" || rc_fail payload "$check_j" || return
    fi
  done
  # A single item is compared once only, right before it is replaced.
  [ "$RC_N" -eq 1 ] || rc_compare_all
}

# Compares all targets by one look.
rc_compare_all() {
  all_list='' all_i=0 all_n=0
  while [ "$all_i" -lt "$RC_N" ]; do
    all_i=$((all_i + 1))
    eval "all_kind=\$RC_kind$all_i all_temp=\$RC_temp$all_i"
    [ "$all_kind" = f ] || continue
    all_n=$((all_n + 1))
    eval "all_to$all_n=RC_now$all_i"
    all_list="$all_list \"\$RC_path$all_i\""
    [ -n "$all_temp" ] || continue
    all_n=$((all_n + 1))
    eval "all_to$all_n=RC_laid$all_i"
    all_list="$all_list \"\$RC_temp$all_i\""
  done
  all_text=
  [ "$all_n" -eq 0 ] || eval "all_text=\$(rc_stat $all_list)"
  # When a file has vanished the lines cannot be told apart, and each is looked at alone.
  ! rc_split "$all_text" RC_state "$all_n" || {
    all_i=0
    while [ "$all_i" -lt "$all_n" ]; do
      all_i=$((all_i + 1))
      eval "all_name=\$all_to$all_i"
      eval "$all_name=\$RC_state$all_i"
    done
  }
  all_i=0
  while [ "$all_i" -lt "$RC_N" ]; do
    all_i=$((all_i + 1))
    rc_compare "$all_i" && rc_may_write "$all_i" || return
    eval "RC_now$all_i="
  done
}

# rc_is_whole PATH SIZE: whether PATH has its size; all that can be told on a machine without a digest program.
rc_is_whole() {
  [ "$RC_SHA" = none ] || return 1
  whole_state=$(rc_stat "$1")
  whole_state=${whole_state#* }
  [ "${whole_state%% *}" = "$2" ]
}

# rc_copy_attributes OLD NEW: give NEW the mode, owner and group of OLD, and its ACL and extended attributes where the
# tools know how. What could not be kept is seen by rc_may_write.
rc_copy_attributes() {
  case $RC_COPY in
    attributes)
      cp -a --attributes-only --no-preserve=timestamps -- "$1" "$2" 2>/dev/null
      ;;
    preserve)
      # The cp of BSD and macOS knows its own ACLs and flags.
      { cp -p -- "$1" "$2.a" && cat -- "$2" >"$2.a" && mv -f -- "$2.a" "$2"; } 2>/dev/null || rm -f -- "$2.a"
      ;;
    *)
      attributes_text=$(rc_stat "$1" "$2")
      set -f
      # shellcheck disable=SC2086
      set -- "$1" "$2" ${attributes_text%%"$RC_NEWLINE"*}
      attributes_mode=$3 attributes_owner=$6:$7
      # shellcheck disable=SC2086
      set -- "$1" "$2" ${attributes_text#*"$RC_NEWLINE"}
      set +f
      [ "$attributes_owner" = "$6:$7" ] || chown -- "$attributes_owner" "$2" 2>/dev/null || return 0
      [ "$attributes_mode" = "$3" ] || {
        attributes_mode=$((0x$attributes_mode))
        attributes_octal="$((attributes_mode >> 9 & 7))$((attributes_mode >> 6 & 7))"
        attributes_octal="$attributes_octal$((attributes_mode >> 3 & 7))$((attributes_mode & 7))"
        chmod -- "$attributes_octal" "$2" 2>/dev/null
      }
      [ -z "$RC_ACL" ] || getfacl -- "$1" 2>/dev/null | setfacl --set-file=- -- "$2" 2>/dev/null
      ;;
  esac
}

# rc_compare INDEX [again]: whether the target is still as expected: by its state, or by a digest that was computed while
# its state was one and the same. Sets RC_TARGET_STATE and RC_TEMP_STATE. "again": some time has passed since the digests
# were computed.
rc_compare() {
  eval "compare_kind=\$RC_kind$1 compare_path=\$RC_path$1 compare_temp=\$RC_temp$1"
  eval "compare_state=\$RC_old_state$1 compare_digest=\$RC_old_digest$1 compare_found=\$RC_found$1"
  if [ "$compare_kind" != f ]; then
    RC_TARGET_STATE=absent RC_TEMP_STATE=
    [ ! -e "$compare_path" ] && [ ! -L "$compare_path" ] && return
    rc_fail exists "$1"
    return
  fi
  case $compare_state${2-} in
    +*again)
      rc_digest_each "$compare_path"
      compare_found=$RC_digest1
      ;;
  esac
  eval "RC_TARGET_STATE=\$RC_now$1 RC_TEMP_STATE=\${RC_laid$1-}"
  [ -n "$RC_TARGET_STATE" ] || {
    compare_text=$(rc_stat "$compare_path" ${compare_temp:+"$compare_temp"})
    RC_TARGET_STATE=${compare_text%%"$RC_NEWLINE"*} RC_TEMP_STATE=${compare_text#*"$RC_NEWLINE"}
  }
  [ "$RC_TARGET_STATE" != "$compare_state" ] || return 0
  # An empty state is that of a file that has vanished.
  if [ -n "$RC_TARGET_STATE" ] && [ -n "$compare_found" ] && [ "$compare_found" = "$compare_digest" ]; then
    case $compare_state in [-+]*)
      [ "$RC_TARGET_STATE" != "${compare_state#?}" ] || return 0
      ;;
    esac
    # Its state has moved, its contents may be the same.
    rc_digest_each "$compare_path"
    compare_text=$(rc_stat "$compare_path")
    [ "$RC_digest1" != "$compare_digest" ] || [ "$compare_text" != "$RC_TARGET_STATE" ] || return 0
  fi
  rc_fail changed "$1"
}

# rc_may_write INDEX: whether the person may write the target, and whether a rename would keep what it is.
rc_may_write() {
  eval "may_kind=\$RC_kind$1 may_in_place=\$RC_in_place$1 may_op=\$RC_op$1 may_path=\$RC_path$1"
  [ "$may_kind" = f ] || return 0
  may_index=$1
  set -f
  # shellcheck disable=SC2086
  set -- $RC_TARGET_STATE
  may_mode=$1 may_links=$3 may_owner=$4:$5 may_device=$7
  # shellcheck disable=SC2086
  set -- $RC_TEMP_STATE
  set +f
  # Also root respects a file that nobody may write.
  if [ $((0x$may_mode & 0222)) -eq 0 ] || [ ! -w "$may_path" ]; then
    rc_fail readonly "$may_index"
    return
  fi
  [ "$may_op" = w ] || return 0
  if [ "$may_in_place" != 0 ]; then :
  elif [ "$may_links" != 1 ]; then may_in_place=links
  elif [ "$may_owner" != "$4:$5" ]; then may_in_place=owner
  elif [ "$may_mode" != "$1" ]; then may_in_place=mode
  elif [ "$may_device" != "$7" ]; then may_in_place=mount
  fi
  eval "RC_in_place$may_index=\$may_in_place"
}
