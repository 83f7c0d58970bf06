#!/usr/bin/env bash
# exports.sh ROOT LIBRARY: the shared library exports exactly the functions that the public headers declare COMITY_API.
set -euo pipefail
root=$1 library=$2

# Without directives and comments, and one declaration a line; a function's name is the first that stands before a '('.
declared=$(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' -e '/^ *#/d' "$root"/include/comity/*.h | tr '\n' ' ' |
  sed -E 's#/\*([^*]|\*+[^*/])*\*+/##g' | tr ';' '\n' | grep -w COMITY_API |
  sed -E 's/^[^(]*[^A-Za-z0-9_](comity_[a-z0-9_]+) *\(.*/\1/' | sort)
exported=$(nm -D --defined-only "$library" | awk '{ print $NF }' | grep -v '^_' | sort)

if [[ $(wc -l <<<"$declared") -lt 50 ]] || grep -qv '^comity_' <<<"$declared"; then
  echo "cannot make out the declarations:"
  grep -v '^comity_' <<<"$declared"
  exit 1
fi
if ! difference=$(diff <(echo "$declared") <(echo "$exported")); then
  echo "declared but not exported (<), or exported but not declared (>):"
  grep '^[<>]' <<<"$difference"
  exit 1
fi
