#!/usr/bin/env bash
# table.sh [TIMES [AT_ONCE [ROWS]]]: the README's table of faults, measured: see table.py.
source "$(dirname "$0")/../e2e/common.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ulimit -c 0
python3 -B "$COMITY_SOURCE_DIR/tests/fault/table.py" --folder "$work" --times "${1:-3}" --at-once "${2:-2}" --rows "${3:-1-9}"
