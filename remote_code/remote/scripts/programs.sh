# shellcheck shell=sh disable=SC2034
# The first part of the library: what the programs of this machine can do, and the two that everything rests on.
#
# The library is evaluated once in each resident shell; every job then runs in a subshell of it. Names: functions are
# rc_*, results that others read are RC_*, and working variables begin with the name of their function, because POSIX
# shells have no local ones. Text from outside comes as arguments only, and is never evaluated: eval sees names of
# variables that end in a counter.

# A worker ends by the end of its input or by KILL, so that a file that is written in place is not cut by a hangup.
trap "" HUP TERM PIPE
RC_LOCALE=${LC_ALL:-${LC_CTYPE:-${LANG:-}}}
LC_ALL=C TZ=UTC0
export LC_ALL TZ
unset CDPATH
unalias -a 2>/dev/null
RC_NEWLINE=$(printf '\nx')
RC_NEWLINE=${RC_NEWLINE%x}
RC_UMASK=$(umask)
RC_UID=$(id -u)

RC_STAT=gnu
stat -c %i / >/dev/null 2>&1 || RC_STAT=bsd

if command -v sha256sum >/dev/null; then RC_SHA=sha256sum
elif command -v shasum >/dev/null; then RC_SHA=shasum
elif command -v sha256 >/dev/null; then RC_SHA=sha256
elif command -v openssl >/dev/null; then RC_SHA=openssl
else RC_SHA=none
fi

RC_COPY="chmod"
case $(cp --help 2>&1) in *attributes-only*) RC_COPY=attributes ;; esac
[ "$RC_STAT" = gnu ] || RC_COPY=preserve

# -T: never move or link into a directory that has come in the way.
RC_EXACT=
case $(mv --help 2>&1) in *-T*) RC_EXACT=-T ;; esac

RC_ACL=
command -v getfacl >/dev/null && command -v setfacl >/dev/null && RC_ACL=1

RC_FLOCK=
case $(flock --help 2>&1) in *-w*) RC_FLOCK=1 ;; esac

RC_READLINK=
command -v readlink >/dev/null && RC_READLINK=1

RC_FIND="print0"
case $(find --help 2>&1) in *-printf*) RC_FIND="printf" ;; esac

# The file that descriptor 8 holds open, as a path for stat.
RC_HELD=/dev/fd/8
[ -e /proc/self/fd/0 ] && RC_HELD=/proc/self/fd/8

# An exact reader takes its bytes and not one more: what follows them is the next job. Proven, not believed.
RC_READER=$(printf abc | {
  dd bs=65536 iflag=fullblock,count_bytes count=2 2>/dev/null
  read -r programs_rest
  echo "-$programs_rest"
})
case $RC_READER in ab-c) RC_READER=block ;; *) RC_READER=byte ;; esac

# rc_take SIZE: copy exactly SIZE bytes from standard input to standard output.
rc_take() {
  case $RC_READER$1 in
    *[!0-9]0) return 0 ;;
    block*) dd bs=65536 iflag=fullblock,count_bytes count="$1" 2>/dev/null ;;
    *) dd ibs=1 obs=65536 count="$1" 2>/dev/null ;;
  esac
}

# rc_stat PATH...: print one line of state for each, links not followed. It replaces the (sub)shell: use $( ) or ( ).
# %y has nanoseconds with GNU and BusyBox; BusyBox's %.9Y silently has none.
rc_stat() {
  case $RC_STAT in
    gnu) exec stat -c '%f %s %h %u %g %i %d %y|%z' -- "$@" 2>/dev/null ;;
    *) exec stat -f '%Xp %z %l %u %g %i %d %Fm|%Fc' -- "$@" 2>/dev/null ;;
  esac
}

# rc_sha PATH...: print one line for each that begins with its SHA-256 in hex. It replaces the (sub)shell.
rc_sha() {
  case $RC_SHA in
    sha256sum) exec sha256sum -- "$@" 2>/dev/null ;;
    shasum) exec shasum -a 256 -- "$@" 2>/dev/null ;;
    sha256) exec sha256 -r -- "$@" 2>/dev/null ;;
    openssl) exec openssl dgst -sha256 -r "$@" 2>/dev/null ;;
    *) return 1 ;;
  esac
}

# rc_split TEXT NAME COUNT: put the lines of TEXT into NAME1, NAME2, …; false unless there are exactly COUNT.
rc_split() {
  split_n=0
  set -f
  IFS=$RC_NEWLINE
  for split_line in $1; do
    split_n=$((split_n + 1))
    eval "$2$split_n=\$split_line"
  done
  unset IFS
  set +f
  [ "$split_n" -eq "$3" ]
}

# rc_digests COUNT LIST: set RC_digest1, … for the COUNT paths of LIST, a text of quoted variables, by one program.
# An unreadable file has an empty digest.
rc_digests() {
  [ "$1" -gt 0 ] || return 0
  # BusyBox does not escape a newline in a name, so its lines could not be told apart.
  if eval "rc_has_newline $2"; then
    eval "rc_digest_each $2"
    return
  fi
  digests_text=
  eval "digests_text=\$(rc_sha $2)"
  rc_split "$digests_text" RC_digest "$1" || {
    eval "rc_digest_each $2"
    return
  }
  digests_i=0
  while [ "$digests_i" -lt "$1" ]; do
    digests_i=$((digests_i + 1))
    # GNU puts a backslash before the line of a name that it had to escape.
    eval "digests_line=\${RC_digest$digests_i#\\\\}"
    eval "RC_digest$digests_i=\${digests_line%%[ *]*}"
  done
}

rc_digest_each() {
  each_i=0
  for each_path do
    each_i=$((each_i + 1))
    each_line=$(rc_sha "$each_path")
    each_line=${each_line#\\}
    eval "RC_digest$each_i=\${each_line%%[ *]*}"
  done
}

rc_has_newline() {
  for newline_path do
    case $newline_path in *"$RC_NEWLINE"*) return 0 ;; esac
  done
  return 1
}
