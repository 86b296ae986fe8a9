# shellcheck shell=sh disable=SC2034,SC2154
# What many paths are now, and the contents of those that differ from what the caller holds.

# rc_observe TOKEN LIMIT DAY SECOND
# rc_look_at [PATH STATE DIGEST]...   as often as is needed, with some hundred paths at most: dash has few buckets for
#                                     variables, and would search in them for most of the time
# rc_contents
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
  observe_token=$1 observe_limit=$2 RC_YOUNG_DAY=$3 RC_YOUNG_SECOND=$4
  observe_base=0 observe_m=0 observe_list='' observe_y=0 observe_young=''
}

rc_look_at() {
  rc_observe_places "$@"
  cd /
  rc_observe_states
  rc_observe_verdicts "$@"
  observe_i=0
  while [ "$observe_i" -lt "$observe_n" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_path=\$ob_path$observe_i observe_head=\$ob_head$observe_i observe_state=\$ob_state$observe_i"
    case $observe_head in *+*)
      observe_m=$((observe_m + 1))
      eval "ob_sent$observe_m=\$observe_path"
      observe_list="$observe_list \"\$ob_sent$observe_m\""
      ! rc_is_young "$observe_state" || {
        observe_y=$((observe_y + 1))
        eval "ob_young$observe_y=$((observe_base + observe_i))"
        observe_young="$observe_young \"\$ob_sent$observe_m\""
      }
      ;;
    esac
    printf '%s %s %s %s\n%s\n' "$((observe_base + observe_i))" "$observe_head" "${#observe_path}" "$observe_state" \
      "$observe_path"
  done
  observe_base=$((observe_base + observe_n))
}

# Sets ob_path, and in ob_head kind and links, of each path; observe_n, and the paths for stat, "/" for what has no state.
rc_observe_places() {
  observe_n=0 observe_operands=''
  while [ $# -ge 3 ]; do
    observe_n=$((observe_n + 1))
    rc_real "$1"
    rc_allowed "$RC_PATH" || RC_KIND=O
    eval "ob_path$observe_n=\$RC_PATH ob_head$observe_n=\"\$RC_KIND \$RC_HOPS\""
    case $RC_KIND in
      f | d | o) observe_operands="$observe_operands \"\$ob_path$observe_n\"" ;;
      *) observe_operands="$observe_operands /" ;;
    esac
    shift 3
  done
}

# Sets ob_state of all paths, by one program.
rc_observe_states() {
  eval "observe_text=\$(rc_stat $observe_operands)"
  ! rc_split "$observe_text" ob_state "$observe_n" || return 0
  # One has vanished meanwhile; which one the lines do not say.
  observe_i=0
  while [ "$observe_i" -lt "$observe_n" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_head=\$ob_head$observe_i"
    case $observe_head in
      [fdo]*)
        eval "ob_state$observe_i=\$(rc_stat \"\$ob_path$observe_i\")" ||
          eval "ob_head$observe_i=\"a \${observe_head#* }\""
        ;;
    esac
  done
}

# Adds verdict and digest to ob_head; all digests by one program. The state of what is none of f, d, o becomes "-".
rc_observe_verdicts() {
  observe_i=0 observe_asked='' observe_k=0
  while [ "$observe_i" -lt "$observe_n" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_head=\$ob_head$observe_i observe_state=\$ob_state$observe_i"
    observe_verdict=-
    case $observe_head in
      [do]*) ;;
      f*)
        observe_verdict='='
        [ "$observe_state" = "$2" ] || rc_observe_differing "$3"
        ;;
      *) eval "ob_state$observe_i=-" ;;
    esac
    eval "ob_head$observe_i=\"\$observe_head \$observe_verdict -\""
    shift 3
  done
  [ "$observe_k" -gt 0 ] || return 0
  rc_digests "$observe_k" "$observe_asked"
  observe_i=0
  while [ "$observe_i" -lt "$observe_k" ]; do
    observe_i=$((observe_i + 1))
    eval "observe_j=\$ob_asked$observe_i observe_digest=\$RC_digest$observe_i observe_wanted=\$ob_wanted$observe_i"
    eval "observe_head=\${ob_head$observe_j% -}"
    [ "$observe_digest" != "$observe_wanted" ] || observe_head="${observe_head% *} ~"
    eval "ob_head$observe_j=\"\$observe_head \${observe_digest:--}\""
  done
}

# rc_observe_differing DIGEST: sets observe_verdict of file observe_i, whose state is not as held.
rc_observe_differing() {
  eval "observe_path=\$ob_path$observe_i"
  [ -r "$observe_path" ] || {
    observe_verdict='!'
    return 0
  }
  observe_size=${observe_state#* }
  observe_verdict=+
  [ "${observe_size%% *}" -le "$observe_limit" ] || observe_verdict='>'
  [ "$1" != - ] || return 0
  observe_k=$((observe_k + 1))
  eval "ob_asked$observe_k=$observe_i ob_wanted$observe_k=\$1"
  observe_asked="$observe_asked \"\$ob_path$observe_i\""
}

rc_contents() {
  printf 'B %s\n' "$observe_m"
  [ "$observe_m" -gt 0 ] || return 0
  eval "cat -- $observe_list" 2>/dev/null
  printf '\n%s\n' "$observe_token"
  [ "$RC_SHA" != none ] || observe_y=0
  rc_digests "$observe_y" "$observe_young"
  observe_i=0
  while [ "$observe_i" -lt "$observe_y" ]; do
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
