# shellcheck shell=sh
# What all searches begin with. Names travel between programs with NUL at their end, or as lines in which \001 stands
# for a newline: sort, awk and head know lines only.
LC_ALL=C TZ=UTC0
export LC_ALL TZ
unset CDPATH

# enter PATH ROOT...
# Goes to the place to search and answers one record `kind real-path NUL`: d directory, f file (its name in $base),
# a absent, x no access, o neither, O outside of the roots. Ends the search unless it is d or f.
enter() {
    place=$1 base='' links=0
    shift
    if [ -d "$place" ]; then
        kind=d
        cd -P -- "$place" 2>/dev/null || answer x "$place"
        real=$PWD
    elif [ -e "$place" ]; then
        kind=o
        [ ! -f "$place" ] || kind=f
        while [ -L "$place" ] && [ "$links" -lt 40 ]; do
            links=$((links + 1))
            target=$(readlink -- "$place" && echo .)
            target=${target%??}
            case $target in
            /*) place=$target ;;
            *) place=${place%/*}/$target ;;
            esac
        done
        base=${place##*/}
        cd -P -- "${place%/*}/" 2>/dev/null || answer x "$place"
        real=${PWD%/}/$base
    elif [ -L "$place" ]; then
        answer a "$place"
    else
        cd -P -- "${place%/*}/" 2>/dev/null || true
        answer a "$place"
    fi
    for root in "$@"; do
        case $real/ in
        "${root%/}"/*)
            [ "$kind" != o ] || answer o "$real"
            printf '%s%s\0' "$kind" "$real"
            return
            ;;
        esac
    done
    answer O "$real"
}

answer() {
    printf '%s%s\0' "$1" "$2"
    exit 0
}

# status PROGRAM: tells on standard error how a program in the middle of a pipe ended.
status() {
    echo "search-status $1 $2" >&2
}

to_lines() { tr '\n\0' '\001\n'; }
from_lines() { tr '\n\001' '\0\n'; }

# newest: from NUL-ended names on standard input to lines `time name`, newest first, equal times by the bytes of names.
newest() {
    if find . -maxdepth 0 -printf '' 2>/dev/null; then
        # shellcheck disable=SC2016
        xargs -0 sh -c '[ $# -eq 0 ] || exec find "$@" -maxdepth 0 -printf "%T+ %p\0"' sh | to_lines
    else
        # shellcheck disable=SC2016
        xargs -0 sh -c '
            [ $# -gt 0 ] || exit 0
            file_times() {
                if stat -c %i / >/dev/null 2>&1; then stat -c %y -- "$@"; else stat -f %Fm -- "$@"; fi
            }
            { file_times "$@"; echo --; printf "%s\0" "$@" | tr "\n\0" "\001\n"; } 2>/dev/null |
                awk "
                    !named && \$0 == \"--\" { named = 1; next }
                    !named { gsub(/ /, \"_\"); time[++times] = \$0; next }
                    { name[++names] = \$0 }
                    END { for (i = 1; i <= names; i++) print (times == names ? time[i] : \"-\") \" \" name[i] }
                "
        ' sh
    fi | sort -t ' ' -k 1,1r -k 2
}
