# What the end-to-end tests share: the command under test, a folder of their own, and mpirun on any machine.
# Sourced with: COMITY (the executable), MPIRUN (mpirun.sh), MPIEXEC.
set -euo pipefail
work=$(mktemp -d "${TMPDIR:-/tmp}/comity-e2e.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
export OPENBLAS_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=0 # of sanitized builds: MPI libraries leave memory behind

fail() { echo "FAILED: $*" >&2; exit 1; }

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
