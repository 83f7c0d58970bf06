#!/usr/bin/env bash
# run.sh BUILD-FOLDER [SECONDS]: run every fuzz target that long on a copy of its seeds, as many at a time as there are cores. Build with
# the preset "fuzz". Findings are kept in BUILD-FOLDER/findings and make the exit code 1.
set -euo pipefail
build=$(cd "${1:?usage: run.sh BUILD-FOLDER [SECONDS]}" && pwd)
seconds=${2:-60}
seeds=$(cd "$(dirname "$0")/corpus" && pwd)
findings=$build/findings
mkdir -p "$findings"

fuzz() { # NAME
  local corpus=$build/corpus-$1 log=$build/fuzz-$1.log code=0
  mkdir -p "$corpus"
  "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -artifact_prefix="$findings/$1-" \
    -print_final_stats=1 "$corpus" "$seeds/$1" >"$log" 2>&1 || code=1
  [[ $code -eq 0 ]] || tail -40 "$log"
  echo "$1, $seconds s: $(grep -o 'number_of_executed_units.*' "$log" || echo "see $log")"
  return $code
}

failed=0
for target in "$build"/tests/fuzz/fuzz_*; do
  [[ -x $target && -f $target ]] || continue
  while [[ $(jobs -rp | wc -l) -ge $(nproc) ]]; do wait -n || failed=1; done
  fuzz "${target##*/fuzz_}" &
done
while [[ -n $(jobs -p) ]]; do wait -n || failed=1; done
[[ $failed -eq 0 ]] && echo "no findings"
exit $failed
