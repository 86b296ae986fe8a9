# shellcheck shell=sh disable=SC2034,SC2154
# What the machine has and is; one job per connection.

# rc_probe WORKDIR: WORKDIR may be empty (the home directory), begin with ~/ or be relative to the home directory.
# Prints lines "name=value"; a path is "name=length" and stands on the next line, so that it may hold a newline.
rc_probe() {
  rc_probe_workdir "$1"
  printf 'umask=%s\nuid=%s\nuser=' "$RC_UMASK" "$RC_UID"
  id -un
  printf 'locale=%s\nclock=' "$RC_LOCALE"
  date +%s.%N
  printf 'system='
  uname -srm
  rc_probe_programs
  printf 'variants=stat:%s sha:%s copy:%s reader:%s find:%s flock:%s exact:%s acl:%s\n' "$RC_STAT" "$RC_SHA" \
    "$RC_COPY" "$RC_READER" "$RC_FIND" "${RC_FLOCK:-0}" "${RC_EXACT:-0}" "${RC_ACL:-0}"
  printf 'kind=%s\n' "$RC_KIND"
  if [ "$RC_KIND" = d ]; then
    [ ! -w "$RC_PATH" ] || printf 'writable=1\n'
    printf 'free='
    df -Pk -- "$RC_PATH" 2>/dev/null | {
      read -r probe_line
      read -r probe_line probe_line probe_line probe_line probe_rest
      echo "$probe_line"
    }
    rc_probe_case
    rc_probe_git
  fi
  printf 'home=%s\n%s\n' "${#probe_home}" "$probe_home"
  printf 'workdir=%s\n%s\n' "${#probe_workdir}" "$probe_workdir"
  printf 'real=%s\n%s\n' "${#RC_PATH}" "$RC_PATH"
  printf 'end=\n'
}

rc_probe_workdir() {
  probe_home=${HOME:-/}
  # The tilde is the caller's text, not the shell's.
  # shellcheck disable=SC2088
  case $1 in
    '' | '~') probe_workdir=$probe_home ;;
    '~/'*) probe_workdir=${probe_home%/}/${1#'~/'} ;;
    /*) probe_workdir=$1 ;;
    *) probe_workdir=${probe_home%/}/$1 ;;
  esac
  rc_real "$probe_workdir"
  cd /
}

rc_probe_programs() {
  probe_found=
  for probe_program in bash rg git sudo perl python3 base64 readlink realpath setsid timeout tar gzip sync mktemp \
    getfacl setfacl flock find grep egrep sed awk file stat cksum sha256sum shasum sha256 openssl tmux nice ps; do
    command -v "$probe_program" >/dev/null 2>&1 && probe_found="$probe_found $probe_program"
  done
  printf 'programs=%s\n' "${probe_found# }"
  case "$probe_found " in
    *' rg '*)
      printf 'rg='
      rg --version 2>/dev/null | {
        read -r probe_line
        echo "$probe_line"
      }
      ;;
  esac
  case "$probe_found " in
    *' git '*)
      printf 'git='
      git --version 2>/dev/null
      ;;
  esac
}

# Whether names that differ in case only are one: the real path in capitals leads to the same place, or in small letters.
rc_probe_case() {
  probe_other=$(printf '%sx' "$RC_PATH" | tr '[:lower:]' '[:upper:]')
  probe_other=${probe_other%?}
  if [ "$probe_other" = "$RC_PATH" ]; then
    probe_other=$(printf '%sx' "$RC_PATH" | tr '[:upper:]' '[:lower:]')
    probe_other=${probe_other%?}
  fi
  # -ef is not POSIX, but dash, bash, ash and the shells of BSD have it; elsewhere nothing is claimed.
  # shellcheck disable=SC3013
  [ "$probe_other" = "$RC_PATH" ] || [ ! "$probe_other" -ef "$RC_PATH" ] 2>/dev/null || printf 'caseless=1\n'
}

# The repository and the branch, read as git does but without it: its own answer depends on who owns the directory.
rc_probe_git() {
  probe_dir=$RC_PATH
  while :; do
    [ ! -e "${probe_dir%/}/.git" ] || break
    case $probe_dir in '' | /) return ;; esac
    probe_dir=${probe_dir%/*}
  done
  # How much of the real workdir names the repository's own directory.
  printf 'repository=%s\n' "${#probe_dir}"
  probe_git=${probe_dir%/}/.git
  if [ -f "$probe_git" ]; then
    # A worktree or a submodule: the file names the directory.
    read -r probe_line 2>/dev/null <"$probe_git" || return
    probe_line=${probe_line#gitdir: }
    case $probe_line in
      /*) probe_git=$probe_line ;;
      *) probe_git=${probe_dir%/}/$probe_line ;;
    esac
  fi
  [ -r "$probe_git/HEAD" ] || return
  read -r probe_line 2>/dev/null <"$probe_git/HEAD"
  case $probe_line in 'ref: refs/heads/'*) printf 'branch=%s\n' "${probe_line#ref: refs/heads/}" ;; esac
}
