# shellcheck shell=sh disable=SC2154
# Searches with find, awk and grep, where there is no ripgrep. Ignore files are not read.

# find_files REGEX MODE
# MODE: `match` takes names that match, and walks into hidden directories that match themselves, as ripgrep does;
# `omit` takes names that do not match, and nothing hidden; `all` takes what is not hidden; `hidden` and `omit-hidden`
# are `match` and `omit` with hidden names, `everything` all names; `none` takes nothing. `omit-directories` and
# `omit-directories-visible` leave out what lies in directories that match.
find_files() {
    REGEX=$1 MODE=$2
    export REGEX MODE
    find . -type d -name .git -prune -o -type f -print0 2>/dev/null | to_lines | awk '
        BEGIN { regex = ENVIRON["REGEX"]; mode = ENVIRON["MODE"] }
        mode == "none" { next }
        {
            name = substr($0, 3)
            n = split(name, part, "/")
            directory = ""
            for (i = 1; i < n; i++) {
                directory = i == 1 ? part[1] : directory "/" part[i]
                is_hidden = substr(part[i], 1, 1) == "."
                if (mode == "match" && is_hidden && directory !~ regex) next
                if (mode ~ /^(omit|all|omit-directories-visible)$/ && is_hidden) next
                if (mode ~ /^omit/ && directory ~ regex) next
            }
            is_hidden = substr(part[n], 1, 1) == "."
            if ((mode == "match" || mode == "hidden") && name !~ regex) next
            if ((mode == "omit" || mode == "omit-hidden") && name ~ regex) next
            if (mode ~ /^(omit|all|omit-directories-visible)$/ && is_hidden) next
            print
        }' | from_lines
}

# grep_files LIMIT PATTERN [OPTION]
# From names on standard input, ended by NUL and in order, to blocks `name NUL number:text newline ... NUL`. Files with
# a NUL in their first 64 KiB count as binary, as for ripgrep.
grep_files() {
    LIMIT=$1 PATTERN=$2 OPTION=${3-}
    export LIMIT PATTERN OPTION
    check_pattern || return
    # shellcheck disable=SC2016
    xargs -0 sh -c '
        [ $# -gt 0 ] || exit 0
        case $* in
        *"
"*)
            for name in "$@"; do
                if grep -qasE $OPTION -e "$PATTERN" -- "$name"; then printf "%s\0" "$name"; fi
            done
            ;;
        *) grep -lasE $OPTION -e "$PATTERN" -- "$@" | tr "\n" "\0" ;;
        esac' sh 2>/dev/null | to_lines | {
        left=$LIMIT
        while [ "$left" -gt 0 ] && IFS= read -r line; do
            name=$(printf '%s.' "$line" | tr '\001' '\n')
            name=${name%.}
            [ "$(head -c 65536 <"$name" | tr -dc '\000' | head -c 1 | wc -c)" -eq 0 ] || continue
            printf '%s\0' "$name"
            # shellcheck disable=SC2086
            grep -anE $OPTION -m "$left" -e "$PATTERN" <"$name" 2>/dev/null | cut -b 1-9000 | tr -d '\000' |
                awk '{ print } END { exit NR }'
            left=$((left - $?))
            printf '\0'
        done
    }
}

# check_pattern: tells by `status` what grep says of the pattern; not all of them know word boundaries.
check_pattern() {
    case $PATTERN in
    *'\b'* | *'\B'*)
        if ! echo 'a b' | grep -qE '\bb' 2>/dev/null; then
            echo 'grep on the remote machine knows no word boundaries' >&2
            status grep 2
            return 1
        fi
        ;;
    esac
    # shellcheck disable=SC2086
    grep -aE $OPTION -e "$PATTERN" </dev/null
    [ $? -gt 1 ] || return 0
    status grep 2
    return 1
}
