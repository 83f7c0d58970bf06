#!/bin/sh
# mpirun.sh MPIEXEC RANKS PROGRAM [ARGUMENT...]: start an MPI program on this machine, with Open MPI or MPICH, also as root and
# on fewer cores than ranks.
set -eu
mpiexec=$1 ranks=$2
shift 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
if "$mpiexec" --version 2>&1 | grep -qi 'open.mpi\|openrte\|prte'; then
  exec "$mpiexec" --oversubscribe --mca btl_vader_single_copy_mechanism none -n "$ranks" "$@"
fi
exec "$mpiexec" -n "$ranks" "$@"
