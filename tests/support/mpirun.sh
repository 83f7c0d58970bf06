#!/bin/sh
# mpirun.sh MPIEXEC RANKS PROGRAM [ARGUMENT...]: start an MPI program on this machine, with Open MPI or MPICH, also as root and
# on fewer cores than ranks. With SURVIVE=1 the ranks survive each other, as jobs/mpirun.sh does it for the comity command; by itself
# mpirun then ends with 0 whatever happens.
set -eu
mpiexec=$1 ranks=$2
shift 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
if [ -n "${SURVIVE:-}" ]; then
  export COMITY_LAUNCHER="$mpiexec" OMPI_MCA_btl_vader_single_copy_mechanism=none
  exec bash "$(dirname "$0")/../../jobs/mpirun.sh" "$ranks" "$@"
fi
if "$mpiexec" --version 2>&1 | grep -qi 'open.mpi\|openrte\|prte'; then
  exec "$mpiexec" --oversubscribe --mca btl_vader_single_copy_mechanism none -n "$ranks" "$@"
fi
exec "$mpiexec" -n "$ranks" "$@"
