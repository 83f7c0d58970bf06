#!/usr/bin/env bash
# recovery.sh [JOBS [SILENCE]]: from the SIGKILL of a member to the end of the next operation of the others, four kills a job on six ranks,
# over shared memory and over TCP. Prints the median and the longest time in milliseconds beyond the silence; fails when one of them
# is more than 100 ms.
source "$(dirname "$0")/../e2e/common.sh"
PROGRAM=${PROGRAM:-$(dirname "$COMITY")/tests/bench/bench_recovery}
jobs=${1:-10} silence=${2:-0.5}
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_event_tick_rate=100
export COMITY_EXCHANGE=$work/exchange
late=0
for transport in vader,self tcp,self; do
  : >said
  for ((i = 1; i <= jobs; i++)); do
    truncate -s 0 "$COMITY_EXCHANGE" && truncate -s 4096 "$COMITY_EXCHANGE"
    timeout 60 "$MPIEXEC" --oversubscribe --enable-recovery --mca btl "$transport" --mca btl_vader_single_copy_mechanism none \
      -n 6 "$PROGRAM" "$i" "$silence" >>said 2>err || { tail -n 20 err; exit 1; }
  done
  awk '$1 == "killed" { print $6 * 1000 }' said | sort -g >beyond
  [[ -s beyond ]] || { echo "nobody was killed"; exit 1; }
  awk -v t="$transport" -v s="$silence" '{ v[NR] = $1 }
    END { printf "%s, silence %s s, %d kills: beyond the silence median %.1f ms, longest %.1f ms\n", t, s, NR, v[int((NR + 1) / 2)], v[NR] }' beyond
  awk '$1 > 100 { exit 1 }' beyond || late=1
done
[[ $late -eq 0 ]] || echo "more than 100 ms beyond the silence"
exit $late
