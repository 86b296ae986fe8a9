#!/bin/sh
# Installs the Debian packages that the tests use, when run as root and missing; elsewhere names what is missing.
set -eu

missing=
need() { # need PROGRAM PACKAGE
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need sshd openssh-server
need dropbear dropbear-bin
need busybox busybox-static
need rg ripgrep
need tmux tmux
need sudo sudo
need git git
need fish fish
need tcsh tcsh
need zsh zsh
need setfacl acl
need setfattr attr
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086 # One word per package.
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "these packages are missing, and tests that need them will say so:$missing" >&2
fi
