# shellcheck shell=sh disable=SC2154
# Searches with ripgrep.

# rg_files GLOB-OPTION...
rg_files() {
    { rg --no-config --files --null "$@" '--glob=!**/.git/**' .; status rg $?; }
}

# rg_matches LIMIT PATTERN GLOB-OPTION...
# Two runs: first which files match, in parallel; then their lines in the order of the names, until there are enough.
rg_matches() {
    LIMIT=$1 pattern=$2
    export LIMIT
    shift 2
    # shellcheck disable=SC2016
    {
        if [ "$kind" = f ]; then
            rg --no-config --files-with-matches --null --no-messages -- "$pattern" "./$base"
        else
            rg --no-config --files-with-matches --null --hidden --no-messages "$@" '--glob=!**/.git/**' -- "$pattern" .
        fi
        status rg $?
    } | to_lines | sort | from_lines |
        xargs -0 sh -c '
            [ $# -gt 0 ] || exit 0
            exec rg --no-config --color=never --no-heading --with-filename --null --line-number --threads=1 \
                --no-messages --no-ignore --hidden --text --max-count="$LIMIT" --max-columns=9000 \
                --max-columns-preview -- "$0" "$@"
        ' "$pattern" | head -n "$LIMIT"
}
