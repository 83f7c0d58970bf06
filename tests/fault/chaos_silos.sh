#!/usr/bin/env bash
# chaos_silos.sh [JOBS [FIRST [AT_ONCE]]]: as chaos.sh, but the server and each silo have an mpirun of their own, over TCP; see chaos/silos.py.
source "$(dirname "$0")/../e2e/common.sh"
"$MPIEXEC" --version 2>&1 | grep -q 'Open MPI\|OpenRTE' || skip "silos that come by themselves need Open MPI"
command -v ompi-server >/dev/null || skip "there is no ompi-server"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
PATH=$(dirname "$MPIEXEC"):$PATH
ulimit -c 0

# Jobs that once failed, by their number, run first; what went wrong is in the commit that added them.
once_failed=(15 16)
faults=60 # that CI has to see
[[ $# -eq 0 ]] || faults=0 once_failed=()
python3 -B "$COMITY_SOURCE_DIR/tests/fault/chaos" silos --folder "$work" --jobs "${1:-6}" --first "${2:-1}" --at-once "${3:-4}" \
  --faults $faults "${once_failed[@]}"
