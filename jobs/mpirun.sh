#!/usr/bin/env bash
# mpirun.sh RANKS COMMAND [ARGUMENT ...]: mpirun such that the loss of a rank does not end the job, also with fewer cores than ranks.
# Ends with the exit code of the server (rank 0), 82 when that was lost without one, 68 when the job never got under way.
#
# A job that may lose ranks cannot leave its end to the launcher: with --enable-recovery Open MPI's mpirun ends with 0 whatever the ranks
# left with, it waits for ever when the program cannot be started or a rank dies during the start, and it waits for hosts that were cut
# off. So the server says in a file that it has started and how it ends (COMITY_EXIT_FILE), and this script goes by that.
#
# SIGUSR1, SIGTERM, SIGHUP and Ctrl-C reach the ranks as SIGUSR1: checkpoint and leave with 75. A second Ctrl-C, or SIGUSR2, ends the job at once.
#
#   COMITY_START_WAIT  seconds that the job may take to get under way (120)
#   COMITY_END_WAIT    seconds that the launcher may take to end after the server has ended or was lost (30), and a server that hangs
#                      to go on after twice comm.silence
#   COMITY_LAUNCHER    another launcher with its options; -n RANKS comes after them, unless RANKS is '-'. Open MPI's and MPICH's get what
#                      they need besides. (srun is none: Slurm's PMIx ends all ranks when one is lost. Use mpirun within the allocation.)
set -uo pipefail
ranks=${1:?usage: mpirun.sh RANKS COMMAND [ARGUMENT ...]}
shift
if ! command -v "${1:?usage: mpirun.sh RANKS COMMAND [ARGUMENT ...]}" >/dev/null; then # mpirun would say so and then hang
  echo "mpirun.sh: there is no command '$1' here" >&2
  exit 127
fi
start_wait=${COMITY_START_WAIT:-120} end_wait=${COMITY_END_WAIT:-30}
say() { echo "mpirun.sh: $*" >&2; }

# The server need not run on this host, but shares its folder.
COMITY_EXIT_FILE=$(mktemp "$PWD/.comity-exit.XXXXXX" 2>/dev/null || mktemp)
export COMITY_EXIT_FILE
trap 'rm -f "$COMITY_EXIT_FILE"' EXIT

job= interrupts=0
ask() { [[ -z $job ]] || kill -USR1 "$job" 2>/dev/null; }
end() { [[ -z $job ]] || kill -TERM "$job" 2>/dev/null; }
interrupt() {
  interrupts=$((interrupts + 1))
  if [[ $interrupts -eq 1 ]]; then ask; else end; fi
}
trap ask USR1 TERM HUP
trap interrupt INT
trap end USR2

if [[ -n ${COMITY_LAUNCHER:-} ]]; then
  read -ra launch <<<"$COMITY_LAUNCHER"
else
  launch=(mpirun)
fi
case $("${launch[0]}" --version 2>/dev/null) in
*"Open MPI"* | *OpenRTE*)
  # Keepalive: without it mpirun does not give up a job because one host does not answer, which is for the server to decide. Tick rate:
  # after a peer's loss Open MPI looks at TCP only every so many microseconds, by default 10000, and rounds take ten times longer.
  launch+=(--enable-recovery --oversubscribe --mca oob_tcp_keepalive_time 0 --mca mpi_event_tick_rate 100 -x COMITY_EXIT_FILE) ;;
*HYDRA*) launch+=(-disable-auto-cleanup) ;;
esac
[[ $ranks != - ]] && launch+=(-n "$ranks")

# What Open MPI prints at each loss, and at the end of a job that had one, says nothing that Comity does not say better. Over TCP it may say
# the same thousands of times a second, and ranks would wait until all of it is read; sed is too slow for that.
quieter() {
  grep --line-buffered -av 'mca_btl_tcp_endpoint_send_handler\] invalid connection state' | sed -u -e '/PMIX ERROR: .* in file .*pmix_event_notification/d' -e '/ORTE_ERROR_LOG: .*show_help\.c/d' \
    -e '/^mpirun: Forwarding signal/d' -e '/plm:rsh: Warning: setpgid/d' \
    -e '/more process.* sent help message help-mpi-\(api\|btl-tcp\)/{N;/\n.*orte_base_help_aggregate/d}' \
    -e '/^-\{60,\}$/{N;/\n\(MPI_ABORT was invoked on rank\|An MPI communication peer process has unexp\)/{:more;N;/\n-\{60,\}$/!bmore;d};/\n-/{P;D}}'
}
exec 3> >(trap '' USR1 TERM HUP INT; quieter >&2)
quieter=$!

# In a session of its own, so that a signal to this script reaches it once and all that is left of it can be found.
setsid "${launch[@]}" "$@" 2>&3 3>&- </dev/null &
job=$!
exec 3>&-

# note EVENT: what follows it in the server's note. The server is who started first; a respawned rank 0 of its own may come later.
note() {
  awk -v event="$1" '$1 == "started" && !server { server = $2 } $1 == event && (!server || $2 == server) { text = $2 " " $3 }
    END { if (text != "") print text }' "$COMITY_EXIT_FILE" 2>/dev/null
}
server_lives() { # as far as can be told from here
  local pid host
  read -r pid host <<<"$(note started)"
  [[ -z $pid || $host != "$(hostname)" ]] || kill -0 "$pid" 2>/dev/null
}
# server_hangs: it has begun to say that it lives, about once a second by the time of its file, and has not for COMITY_END_WAIT and twice
# comm.silence, after which everybody else has left it: MPI itself may hang. Counted in looks, since the machine may have slept.
touched='' looks=0
server_hangs() {
  local pid silence now
  now=$(stat -c %y "$COMITY_EXIT_FILE" 2>/dev/null)
  looks=$((looks + 1))
  [[ $now == "$touched" ]] || touched=$now looks=0
  ((looks >= 10 * end_wait)) || return
  read -r pid silence <<<"$(note alive)"
  [[ -n $pid ]] && ((looks >= 10 * end_wait + 20 * (${silence%.*} + 1)))
}

# Wait until the launcher ends, or for as long as it may take.
waiting=start since=$SECONDS
while kill -0 $job 2>/dev/null; do
  case $waiting in
  start)
    if [[ -n $(note started) ]]; then
      waiting=work
    elif ((SECONDS - since >= start_wait)); then
      say "the job did not get under way within $start_wait s (COMITY_START_WAIT); ending it"
      waiting=never
      break
    fi ;;
  work)
    if [[ -n $(note ended) ]] || ! server_lives; then
      waiting=end since=$SECONDS
    elif server_hangs; then
      say "the server hangs, as it has for $end_wait s (COMITY_END_WAIT) after everybody could see it; ending it"
      read -r pid host <<<"$(note started)"
      [[ $host != "$(hostname)" ]] || kill -KILL "$pid"
      waiting=end since=$SECONDS
    fi ;;
  end)
    if ((SECONDS - since >= end_wait)); then
      say "the server has ended or was lost, and after $end_wait s (COMITY_END_WAIT) $(basename "${launch[0]}") still waits for others; ending it"
      break
    fi ;;
  esac
  sleep 0.1
done
if kill -TERM $job 2>/dev/null; then
  for _ in $(seq 50); do
    kill -0 $job 2>/dev/null || break
    sleep 0.1
  done
fi
pkill -KILL -s $job # on this host; on others, Open MPI's daemons end with their connection
code=0
wait $job 2>/dev/null || code=$?
wait $quieter 2>/dev/null

ended=$(note ended) started=$(note started)
if [[ -n $ended ]]; then
  exit "${ended#* }"
elif [[ -n $started ]]; then
  exit 82
elif [[ $waiting == never || $code -eq 0 ]]; then
  exit 68
fi
exit $code # the launcher's own complaint
