#!/usr/bin/env bash
# run.sh RANKS COMMAND [ARGUMENT ...]: mpirun.sh, started again after a loss that ended the job: of the server, or of a whole node.
#
#   bash jobs/run.sh 9 comity train job.yaml --resume
#
# With --resume the job goes on from the newest checkpoint, also when the crash fell into the writing of one, and its model is bit for bit
# that of an undisturbed run. Every other setting of mpirun.sh holds here too.
#
#   COMITY_RESTARTS       how often at most (3)
#   COMITY_RESTART_PAUSE  seconds before the first restart, then twice as long each time (5)
#   COMITY_RESTART_ALSO   further exit codes to start again after, such as "69"
#   COMITY_REQUEUE        a command that hands the job to the queue again, run when the job has stopped for that (75)
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${2:?usage: run.sh RANKS COMMAND [ARGUMENT ...]}"
restarts=${COMITY_RESTARTS:-3} pause=${COMITY_RESTART_PAUSE:-5}
say() { echo "run.sh: $*" >&2; }

# why_not CODE: why another start would end as this one did; fails when it need not.
why_not() {
  local again
  for again in ${COMITY_RESTART_ALSO:-}; do
    [[ $1 -eq $again ]] && return 1
  done
  case $1 in
  64 | 78) echo "what it was told has to change first" ;;
  65 | 66 | 77) echo "a file has to change first" ;;
  69) echo "too few were left, and a checkpoint was written; who is missing has to come back first" ;;
  70) echo "a fault in Comity would show again" ;;
  71) echo "it needs more memory" ;;
  73) echo "it needs room on the disk first" ;;
  79) echo "no checkpoint there is one to go on from" ;;
  80) echo "the same numbers would come out again" ;;
  83) echo "the server has to admit this silo first" ;;
  126 | 127) echo "there is no such program" ;;
  *) return 1 ;; # 68, 74, 76, 81, 82, a signal's (128 and more) and the launcher's own: another start may well succeed
  esac
}

asked=0 job=
ask() { # a signal to this script: the job stops after a checkpoint, and is not started again here
  asked=$((asked + 1))
  if [[ -n $job ]]; then
    kill -"$1" "$job" 2>/dev/null
  fi
}
trap 'ask USR1' USR1 TERM HUP
trap 'if [[ $asked -eq 0 ]]; then ask USR1; else ask USR2; fi' INT

for ((start = 0; ; start++)); do
  code=0
  bash "$here/mpirun.sh" "$@" &
  job=$!
  wait $job || code=$?
  while kill -0 $job 2>/dev/null; do # wait returns early when a signal arrives
    code=0
    wait $job || code=$?
  done
  [[ $code -eq 0 ]] && exit 0
  if [[ $code -eq 75 && -n ${COMITY_REQUEUE:-} ]]; then
    say "handing the job to the queue again: $COMITY_REQUEUE"
    eval "$COMITY_REQUEUE" && exit 0
    exit 75
  fi
  [[ $asked -gt 0 ]] && exit $code
  if reason=$(why_not $code); then
    say "the job ended with exit code $code and is not started again: $reason"
    exit $code
  fi
  if [[ $start -ge $restarts ]]; then
    say "the job ended with exit code $code; it was started again $start times (COMITY_RESTARTS), and that is the end of it"
    exit $code
  fi
  seconds=$((pause << start))
  say "the job ended with exit code $code; starting it again in $seconds s (restart $((start + 1)) of $restarts)"
  sleep "$seconds" &
  job=$!
  wait $job
  [[ $asked -gt 0 ]] && exit $code
done
