#!/bin/bash
# comm_survive.sh [JOBS [SEED]]: many short jobs of comm_survive on 4 to 6 ranks, over shared memory and over TCP, with ranks that are
# killed or stopped and with corrupt messages. Each has to end by itself with the right sums.
source "$(dirname "$0")/../e2e/common.sh"
jobs=${1:-12} seed=${2:-1}
PROGRAM=${PROGRAM:-$(dirname "$COMITY")/tests/fault/comm_survive}
"$MPIEXEC" --version 2>&1 | grep -qi 'open.mpi\|openrte\|prte' || skip "only Open MPI's mpirun lets ranks survive others"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
faults=0 failed=0
for ((i = seed; i < seed + jobs; i++)); do
  ranks=$((4 + i % 3)) victims=$((1 + i % 4 % (ranks - 2))) fault="corrupt 0" transport=vader,self
  ((i % 3 == 0)) && fault="corrupt 0.0005"
  ((i % 4 == 0)) && transport=tcp,self
  timeout 60 "$MPIEXEC" --oversubscribe --enable-recovery --mca btl "$transport" --mca btl_vader_single_copy_mechanism none \
    -n "$ranks" "$PROGRAM" "$i" "$victims" 0.6 "$fault" >said 2>&1 && code=0 || code=$?
  if [[ $code -ne 0 ]] || grep -q FAILED said || ! grep -q ' rounds, ' said; then
    echo "seed $i: $ranks ranks, $victims victims, $fault, $transport: ended with $code"
    tail -n 30 said
    failed=$((failed + 1))
  fi
  faults=$((faults + victims + $(grep -c '^about rank .* was corrupt' said || true)))
done
echo "$jobs jobs, $faults faults, $failed jobs failed"
[[ $failed -eq 0 ]]
