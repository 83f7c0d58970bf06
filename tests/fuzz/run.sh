#!/usr/bin/env bash
# run.sh BUILD-FOLDER [SECONDS]: run every fuzz target that long on a copy of its seeds. Build with the preset "fuzz". Findings are
# kept in BUILD-FOLDER/findings and make the exit code 1.
set -euo pipefail
build=$(cd "${1:?usage: run.sh BUILD-FOLDER [SECONDS]}" && pwd)
seconds=${2:-60}
seeds=$(cd "$(dirname "$0")/corpus" && pwd)
findings=$build/findings
mkdir -p "$findings"
failed=0
for target in "$build"/tests/fuzz/fuzz_*; do
  [[ -x $target && -f $target ]] || continue
  name=${target##*/fuzz_}
  corpus=$build/corpus-$name
  mkdir -p "$corpus"
  echo "fuzzing $name for $seconds s"
  if ! "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -artifact_prefix="$findings/$name-" -print_final_stats=1 \
    "$corpus" "$seeds/$name" >"$build/fuzz-$name.log" 2>&1; then
    tail -40 "$build/fuzz-$name.log"
    failed=1
  fi
  grep -E 'stat::number_of_executed_units' "$build/fuzz-$name.log" || true
done
[[ $failed -eq 0 ]] && echo "no findings"
exit $failed
