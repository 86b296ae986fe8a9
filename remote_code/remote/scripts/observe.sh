# shellcheck shell=sh disable=SC2034,SC2154
# What many paths are now, and the contents of those that differ from what the caller holds.

# rc_observe TOKEN LIMIT DAY SECOND [PATH STATE DIGEST]...
#   STATE and DIGEST: what the caller holds of it, or "-". An equal state is taken as proof; with STATE "-" and a
#   digest, equal contents are. LIMIT: the largest file whose bytes are sent. DAY and SECOND: see rc_is_young.
# Prints for each path "index kind links verdict digest length state" and the real path; then "B n", the bytes of the n
# files with verdict + joined, a newline, TOKEN, "D index digest" of the young ones among them, where there is a digest
# program, and the states of these n files after the reading.
#   verdict: = state as held, ~ contents as held, + bytes follow, > larger than LIMIT, ! unreadable, - not a file
# Whether a file changed while it was read is for the caller to see, by the states before and after, the sizes, and the
# digests: within one tick of the clock two changes leave equal states.
# Outside the roots the real path is told and nothing else.
rc_observe() {
  observe_token=$1 observe_limit=$2 RC_YOUNG_DAY=$3 RC_YOUNG_SECOND=$4 observe_n=0
  shift 4
  observe_existing=0 observe_list=
  while [ $# -ge 3 ]; do
    observe_n=$((observe_n + 1))
    rc_real "$1"
    rc_allowed "$RC_PATH" || RC_KIND=O
    eval "ob_kind$observe_n=\$RC_KIND ob_path$observe_n=\$RC_PATH ob_hops$observe_n=\$RC_HOPS"
    eval "ob_held$observe_n=\$2 ob_wanted$observe_n=\$3"
    case $RC_KIND in
      f | d | o)
        observe_existing=$((observe_existing + 1))
        eval "ob_existing$observe_existing=$observe_n"
        observe_list="$observe_list \"\$ob_path$observe_n\""
        ;;
    esac
    shift 3
  done
  cd /
  [ "$observe_existing" -eq 0 ] || rc_observe_states
  rc_observe_verdicts
  rc_observe_print
}

# Sets ob_state of all existing paths, by one program.
rc_observe_states() {
  eval "observe_text=\$(rc_stat $observe_list)"
  observe_whole=1
  rc_split "$observe_text" RC_state "$observe_existing" || observe_whole=
  observe_i=0
  while [ "$observe_i" -lt "$observe_existing" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_j=\$ob_existing$observe_i"
    if [ -n "$observe_whole" ]; then
      eval "ob_state$observe_j=\$RC_state$observe_i"
    else
      # One has vanished meanwhile; which one the lines do not say.
      eval "ob_state$observe_j=\$(rc_stat \"\$ob_path$observe_j\")" || eval "ob_state$observe_j= ob_kind$observe_j=a"
    fi
  done
}

# Sets ob_verdict of all files, and ob_digest where a digest was held; all digests by one program.
rc_observe_verdicts() {
  observe_i=0 observe_list='' observe_m=0
  while [ "$observe_i" -lt "$observe_n" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_kind=\$ob_kind$observe_i observe_state=\${ob_state$observe_i-}"
    [ "$observe_kind" = f ] || continue
    eval "observe_held=\$ob_held$observe_i observe_wanted=\$ob_wanted$observe_i observe_path=\$ob_path$observe_i"
    if [ "$observe_state" = "$observe_held" ]; then
      observe_verdict='='
    elif [ ! -r "$observe_path" ]; then
      observe_verdict='!'
    else
      observe_size=${observe_state#* }
      observe_verdict=+
      [ "${observe_size%% *}" -le "$observe_limit" ] || observe_verdict='>'
      if [ "$observe_wanted" != - ]; then
        observe_m=$((observe_m + 1))
        eval "ob_asked$observe_m=$observe_i"
        observe_list="$observe_list \"\$ob_path$observe_i\""
      fi
    fi
    eval "ob_verdict$observe_i=\$observe_verdict"
  done
  rc_digests "$observe_m" "$observe_list"
  observe_i=0
  while [ "$observe_i" -lt "$observe_m" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_j=\$ob_asked$observe_i observe_digest=\$RC_digest$observe_i"
    eval "ob_digest$observe_j=\$observe_digest observe_wanted=\$ob_wanted$observe_j"
    [ "$observe_digest" != "$observe_wanted" ] || eval "ob_verdict$observe_j='~'"
  done
}

rc_observe_print() {
  observe_i=0 observe_list='' observe_m=0 observe_young='' observe_y=0
  while [ "$observe_i" -lt "$observe_n" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_kind=\$ob_kind$observe_i observe_path=\$ob_path$observe_i observe_hops=\$ob_hops$observe_i"
    eval "observe_verdict=\${ob_verdict$observe_i:--} observe_digest=\${ob_digest$observe_i:--}"
    eval "observe_state=\${ob_state$observe_i:--}"
    if [ "$observe_verdict" = + ]; then
      observe_m=$((observe_m + 1))
      observe_list="$observe_list \"\$ob_path$observe_i\""
      ! rc_is_young "$observe_state" || {
        observe_y=$((observe_y + 1))
        eval "ob_young$observe_y=$observe_i"
        observe_young="$observe_young \"\$ob_path$observe_i\""
      }
    fi
    printf '%s %s %s %s %s %s %s\n%s\n' "$observe_i" "$observe_kind" "$observe_hops" "$observe_verdict" \
      "$observe_digest" "${#observe_path}" "$observe_state" "$observe_path"
  done
  printf 'B %s\n' "$observe_m"
  [ "$observe_m" -gt 0 ] || return 0
  eval "cat -- $observe_list" 2>/dev/null
  printf '\n%s\n' "$observe_token"
  [ "$RC_SHA" = none ] || rc_digests "$observe_y" "$observe_young"
  observe_i=0
  while [ "$observe_i" -lt "$observe_y" ] && [ "$RC_SHA" != none ]; do
    observe_i=$((observe_i + 1))
    eval "printf 'D %s %s\n' \"\$ob_young$observe_i\" \"\${RC_digest$observe_i:--}\""
  done
  (eval "rc_stat $observe_list")
  return 0
}

# rc_is_young STATE: whether the file was changed in or after the second that RC_YOUNG_DAY and RC_YOUNG_SECOND name: so
# lately that the clock may not tick before the next change. GNU and BusyBox: YYYYMMDD and HHMMSS; BSD: days and seconds
# since 1970. In two numbers, because not every shell has more than 32 bits.
rc_is_young() {
  young_time=${1##*|}
  case $young_time in
    *:*)
      IFS=' -:.'
      set -f
      # shellcheck disable=SC2086
      set -- $young_time
      set +f
      unset IFS
      young_day=$1$2$3 young_second=$4$5$6
      ;;
    *)
      young_time=${young_time%%.*}
      young_day=$((young_time / 86400)) young_second=$((young_time % 86400))
      ;;
  esac
  [ "$young_day" -ge "$RC_YOUNG_DAY" ] || return
  [ "$young_day" -gt "$RC_YOUNG_DAY" ] || [ "$young_second" -ge "$RC_YOUNG_SECOND" ]
}
