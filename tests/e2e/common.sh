# What tests by script share: the command under test, a folder of their own, and mpirun on any machine.
# COMITY (the executable), MPIRUN (mpirun.sh) and MPIEXEC may say otherwise; by default it is this checkout's release build.
set -euo pipefail
fail() { echo "FAILED: $*" >&2; exit 1; }

COMITY_SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
COMITY=${COMITY:-$COMITY_SOURCE_DIR/build/release/comity}
command -v "$COMITY" >/dev/null || fail "there is no command '$COMITY' (COMITY)"
COMITY=$(realpath -s "$(command -v "$COMITY")")
MPIRUN=${MPIRUN:-$COMITY_SOURCE_DIR/tests/support/mpirun.sh}
MPIEXEC=${MPIEXEC:-$(command -v mpiexec)} || fail "there is no mpiexec"
export COMITY_SOURCE_DIR COMITY MPIRUN MPIEXEC

work=$(mktemp -d "${TMPDIR:-/tmp}/comity-e2e.XXXXXX")
# What still runs in the background, and what a function there has started.
end_jobs() {
  local job
  for job in $(jobs -p); do
    pkill -P "$job" || true
    kill "$job" 2>/dev/null || true
  done
}
trap 'end_jobs; rm -rf "$work" 2>/dev/null || { sleep 2; rm -rf "$work"; }' EXIT # they may still write a last file
cd "$work"
export OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=0 # of sanitized builds: MPI libraries leave memory behind

# run RANKS ARGUMENT...: comity on that many ranks.
run() {
  local ranks=$1
  shift
  "$MPIRUN" "$MPIEXEC" "$ranks" "$COMITY" "$@"
}

# skip REASON: end without a verdict, and say why.
skip() { echo "SKIPPED: $*"; exit 77; }

# rounds FOLDER: how many are recorded.
rounds() { { wc -l <"$1/metrics.jsonl"; } 2>/dev/null || echo 0; }
# until_rounds FOLDER COUNT: wait until so many are, in the background no longer than the test takes.
until_rounds() {
  until [[ $(rounds "$1") -ge $2 ]]; do
    [[ -d $work ]] || exit 1
    sleep 0.02
  done
}

# process_of RANK FOLDER: of the job of this test, no other's, that trains into that folder.
process_of() {
  local pid
  for pid in $(pgrep -f "^$COMITY train .*run.dir=$2( |\$)"); do
    if [[ /proc/$pid/cwd -ef $work ]] && grep -Ezqx "(OMPI_COMM_WORLD|PMI)_RANK=$1" "/proc/$pid/environ"; then echo "$pid"; fi
  done
}
