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
