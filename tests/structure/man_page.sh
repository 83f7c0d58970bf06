#!/usr/bin/env bash
# man_page.sh ROOT: comity.1 names every verb of the command, every exit code, and nothing that is none.
set -euo pipefail
root=$1 page=$1/src/app/comity.1

codes=$(sed -nE 's/^ *X\(([A-Z_]+), [0-9]+, ([0-9]+), .*/\2/p' "$root/include/comity/core.h" | sort -nu)
listed=$(awk '/^\.SH/ { on = /EXIT STATUS/ } on && /^\.B [0-9]+$/ { print $2 }' "$page" | sort -nu)
verbs=$({ echo help; grep -oE '\{"[a-z]+", +comity_app_[a-z]+' "$root/src/app/main.c" | cut -d'"' -f2; } | sort -u)
described=$(awk '/^\.SH/ { on = /VERBS/ } on && /^\.BR? "?comity [a-z]/' "$page" | tr -d '"' | cut -d' ' -f3 | sort -u)

failed=0
same() { # same WHAT EXPECTED FOUND
  [[ -n $2 && $2 == "$3" ]] && return
  printf '%s: %s differ: the source has (<), the page has (>)\n' "$page" "$1"
  diff <(echo "$2") <(echo "$3") | grep '^[<>]' || true
  failed=1
}
same "exit codes" "$codes" "$listed"
same "verbs" "$verbs" "$described"
exit $failed
