#!/usr/bin/env bash
# mpirun.sh RANKS COMMAND [ARGUMENT ...]: mpirun on this machine, also with fewer cores than ranks. Open MPI refuses that unless told;
# MPICH does not know the option. On a cluster use your site's launcher instead.
set -euo pipefail
ranks=${1:?usage: mpirun.sh RANKS COMMAND [ARGUMENT ...]}
shift
oversubscribe=()
grep -q "Open MPI" <<<"$(mpirun --version 2>/dev/null)" && oversubscribe=(--oversubscribe)
exec mpirun "${oversubscribe[@]}" -n "$ranks" "$@"
