#!/usr/bin/env bash
# install.sh [build|test|ci|bench]: install the Debian / Ubuntu packages that are missing, from packages.txt at the top of the project.
set -euo pipefail
want=${1:-build}
case $want in
build) uses=build ;;
test) uses="build test" ;;
ci) uses="build test ci" ;;
bench) uses="build test bench" ;;
*) echo "usage: install.sh [build|test|ci|bench]" >&2; exit 64 ;;
esac
list=$(cd "$(dirname "$0")/../.." && pwd)/packages.txt

missing=()
while read -r package use; do
  [[ $package == "" || $package == \#* || " $uses " != *" $use "* ]] && continue
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done <"$list"
[[ ${#missing[@]} -eq 0 ]] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "This is no Debian or Ubuntu: please install what corresponds to: ${missing[*]}" >&2
  exit 69
fi
sudo=()
[[ $(id -u) -ne 0 ]] && sudo=(sudo)
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
