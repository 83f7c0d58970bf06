#!/usr/bin/env bash
# headers.sh ROOT CC CXX [FLAG...]: each public header compiles alone, as C11 and as C++, without a warning.
set -euo pipefail
root=$1 cc=$2 cxx=$3
shift 3
flags=(-fsyntax-only -Wall -Wextra -Wpedantic -Werror -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX "-I$root/include" "$@")
failed=0
for header in "$root"/include/comity/*.h; do
  line="#include <comity/$(basename "$header")>"
  for language in 'c -std=c11' 'c++ -std=c++11' 'c++ -std=c++17'; do
    compiler=$cc
    [[ $language == c++* ]] && compiler=$cxx
    # shellcheck disable=SC2086
    if ! "$compiler" -x $language "${flags[@]}" - <<<"$line"; then
      echo "$header: does not compile alone with $compiler -x $language"
      failed=1
    fi
  done
done
exit $failed
