# shellcheck shell=sh disable=SC2154
# Searches with find, awk and grep, where there is no ripgrep. Ignore files are not read.

# find_files REGEX MODE
# MODE: `match` takes names that match, and walks into hidden directories that match themselves, as ripgrep does;
# `omit` takes names that do not match, and nothing hidden; `all` takes what is not hidden; `hidden` and `omit-hidden`
# are `match` and `omit` with hidden names, `everything` all names; `none` takes nothing.
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
                if ((mode == "omit" || mode == "all") && is_hidden) next
                if (mode ~ /^omit/ && directory ~ regex) next
            }
            is_hidden = substr(part[n], 1, 1) == "."
            if ((mode == "match" || mode == "hidden") && name !~ regex) next
            if (mode ~ /^omit/ && ENVIRON["ONLY_DIRECTORIES"] == "" && name ~ regex) next
            if ((mode == "omit" || mode == "all") && is_hidden) next
            print
        }' | from_lines
}
