# shellcheck shell=sh disable=SC2034,SC2154
# Where a path really leads, without a program started unless its last part is a link, and whether that is allowed.

# rc_trim: take doubled leading and all trailing slashes from RC_PATH.
rc_trim() {
  while :; do
    case $RC_PATH in
      //*) RC_PATH=${RC_PATH#/} ;;
      ?*/) RC_PATH=${RC_PATH%/} ;;
      *) return ;;
    esac
  done
}

# rc_roots DIRECTORY...: set the directories that real paths must lie in.
rc_roots() {
  RC_ROOTS=0
  for roots_path do
    rc_real "$roots_path"
    RC_ROOTS=$((RC_ROOTS + 1))
    eval "RC_root$RC_ROOTS=\${RC_PATH%/}"
  done
  cd /
}

# rc_allowed PATH: whether the real path PATH is one of the roots or lies below one.
rc_allowed() {
  # A link may name a directory that is not there yet, and climb out of it: no real path holds "..".
  case $1/ in */../*) return 1 ;; esac
  allowed_i=0
  while [ "$allowed_i" -lt "$RC_ROOTS" ]; do
    allowed_i=$((allowed_i + 1))
    eval "allowed_root=\$RC_root$allowed_i"
    case $1/ in "$allowed_root"/*) return 0 ;; esac
  done
  return 1
}

# The directory that was entered last, and where it was.
real_text='' real_dir=''

# rc_real PATH: follow all links of an absolute path. Changes the working directory. Sets
#   RC_PATH  the real path; for an absent file where a write would create it
#   RC_DIR   its directory, empty for /
#   RC_HOPS  how many links the last part led through
#   RC_KIND  f file, d directory, o other, a absent, A absent with its directory, c link cycle, x no access on the way
rc_real() {
  RC_PATH=$1 RC_HOPS=0
  while :; do
    rc_trim
    if [ -d "$RC_PATH" ] && cd -P -- "$RC_PATH" 2>/dev/null; then
      RC_KIND=d RC_PATH=$PWD
      rc_trim
      RC_DIR=${RC_PATH%/*}
      return
    fi
    RC_DIR=${RC_PATH%/*} real_name=${RC_PATH##*/}
    # Many files of one directory lead through it once.
    [ "$RC_DIR/" = "$real_text" ] || {
      cd -P -- "${RC_DIR:-/}" 2>/dev/null || {
        rc_real_absent
        return
      }
      real_text=$RC_DIR/ real_dir=${PWD%/}
    }
    RC_PATH=$real_dir/$real_name
    rc_trim
    RC_DIR=${RC_PATH%/*}
    [ -L "$RC_PATH" ] || break
    RC_HOPS=$((RC_HOPS + 1))
    [ "$RC_HOPS" -le 40 ] || {
      RC_KIND=c
      return
    }
    rc_read_link "$RC_PATH" || {
      RC_KIND=x
      return
    }
    case $RC_TARGET in
      /*) RC_PATH=$RC_TARGET ;;
      *) RC_PATH=$RC_DIR/$RC_TARGET ;;
    esac
  done
  if [ -f "$RC_PATH" ]; then RC_KIND=f
  elif [ -d "$RC_PATH" ]; then RC_KIND=d
  elif [ -e "$RC_PATH" ]; then RC_KIND=o
  else
    RC_KIND=a
    case $real_name in . | ..) RC_KIND=A ;; esac
  fi
}

# The directory of RC_PATH cannot be entered: follow the part of it that can be.
rc_real_absent() {
  RC_KIND=A
  while :; do
    [ ! -d "$RC_DIR" ] || RC_KIND=x
    [ -n "$RC_DIR" ] || return
    absent_dir=${RC_DIR%/*}
    if cd -P -- "${absent_dir:-/}" 2>/dev/null; then
      RC_PATH=${PWD%/}/${RC_PATH#"$absent_dir"/}
      rc_trim
      RC_DIR=${RC_PATH%/*}
      return
    fi
    RC_DIR=$absent_dir
  done
}

# rc_read_link PATH: set RC_TARGET to what the link holds, a newline at its end included.
rc_read_link() {
  if [ -n "$RC_READLINK" ]; then
    RC_TARGET=$(readlink -n -- "$1" && echo x) || return
    RC_TARGET=${RC_TARGET%x}
  else
    RC_TARGET=$(ls -ld -- "$1" && echo x) || return
    RC_TARGET=${RC_TARGET%?x}
    RC_TARGET=${RC_TARGET#*" $1 -> "}
  fi
}

# rc_resolve PATH...: print kind, number of links and length of the real path, and on the next line the path.
rc_resolve() {
  for resolve_path do
    rc_real "$resolve_path"
    printf '%s\n%s\n' "$RC_KIND $RC_HOPS ${#RC_PATH}" "$RC_PATH"
  done
  cd /
}
