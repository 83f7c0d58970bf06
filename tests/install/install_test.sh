#!/usr/bin/env bash
# install_test.sh BUILD CC MPIEXEC VERSION: install from BUILD, move the tree elsewhere, and use it as others would: the
# command, find_package with the shared and the static library, and pkg-config with both.
set -euo pipefail
build=$1 cc=$2 mpiexec=$3 version=$4
here=$(cd "$(dirname "$0")" && pwd)
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
prefix=$temporary/moved
# 4*8 + 8 + 8*3 + 3 parameters: an MLP of width 8 on 4 features and 3 classes.
expected='67 parameters, 1 participant'

# expect WHAT PROGRAM: on one rank it says what is expected.
expect() {
  local said
  said=$("$here/../support/mpirun.sh" "$mpiexec" 1 "$2")
  [[ $said == "$expected" ]] || { echo "$1 said '$said'"; exit 1; }
  echo "$1: $said"
}
# uses PROGRAM: whether it loads the installed shared library. (No pipe: grep -q leaves early, and ldd would fail for that.)
uses() { grep -q "libcomity.so.* => $prefix/" <<<"$(ldd "$1")"; }
fail() { echo "$*"; exit 1; }

cmake --install "$build" --prefix "$temporary/first" >/dev/null
mv "$temporary/first" "$prefix"
if named=$(grep -rlF "$temporary/first" "$prefix"); then fail "the prefix stands in: $named"; fi
# Nor do the sources and the build stand in what callers read; the library itself may name its sources in its checks.
if named=$(grep -rlFe "$build" -e "$(cd "$here/../.." && pwd)" --include='*.cmake' --include='*.pc' --include='*.h' "$prefix"); then
  fail "the build stands in: $named"
fi
if named=$(grep -rlE 'Werror|comity_private|fsanitize' --include='*.cmake' --include='*.pc' "$prefix"); then
  fail "private flags leak to callers by: $named"
fi

said=$("$prefix/bin/comity" version)
[[ $said == "comity $version"$'\n'* ]] || fail "comity version said '$said'"
[[ -e $prefix/share/man/man1/comity.1 ]] || fail "there is no man page"

for target in comity comity_static; do
  if ! { cmake -S "$here/consumer" -B "$temporary/$target" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
    -DCOMITY_TARGET="comity::$target" -DCMAKE_BUILD_TYPE=Release && cmake --build "$temporary/$target"; } >"$temporary/log" 2>&1
  then
    cat "$temporary/log"
    fail "$target: a caller cannot be built"
  fi
  expect "find_package, $target" "$temporary/$target/consumer"
done
uses "$temporary/comity/consumer" || fail "comity::comity is not the installed shared library"
! uses "$temporary/comity_static/consumer" || fail "comity::comity_static is the shared library"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name comity.pc)")
export PKG_CONFIG_PATH
[[ $(pkg-config --modversion comity) == "$version" ]] || fail "comity.pc has another version"
library_folder=$(pkg-config --variable=libdir comity)
# shellcheck disable=SC2046 # flags are words
"$cc" -o "$temporary/shared" "$here/consumer/main.c" $(pkg-config --cflags --libs comity) "-Wl,-rpath,$(realpath "$library_folder")"
expect "pkg-config, shared" "$temporary/shared"
uses "$temporary/shared" || fail "pkg-config does not lead to the installed shared library"
# shellcheck disable=SC2046
"$cc" -o "$temporary/static" "$here/consumer/main.c" \
  $(pkg-config --static --cflags --libs comity | sed 's/-lcomity\b/-l:libcomity.a/')
expect "pkg-config, static" "$temporary/static"
! uses "$temporary/static" || fail "the static program loads the shared library"
