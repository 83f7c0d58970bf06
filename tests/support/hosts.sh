#!/usr/bin/env bash
# hosts.sh VERB ...: virtual hosts on this machine, and what can happen to them. Each is a network namespace with a link to a common
# switch, which is a namespace too, so nothing appears in the machine's own network. Needs root, iproute2 and, for losses, nftables.
#
#   up N            make hosts h1 ... hN; exit code 77 and a reason where that is not possible
#   at I COMMAND    run a command on host I, and by mpirun also on the others: Open MPI finds them in its environment
#   cut I, heal I   take the host's link away, and give it back
#   bad I LATE LOSS every packet to host I comes LATE milliseconds late, LOSS percent never; by netem, or something like it
#   good I          that is over
#   ps I            process id, state and command of all that runs there
#   crash I         kill it, Open MPI's daemon too
#   crash I first   mpirun hears of that first by what it reached the host with, which would be ssh,
#   crash I last    or by its daemon's connection, and ssh says nothing
#   down            kill everything and take all away; also after a failure half-way
#
# HOSTS names this set of hosts, with its owner's process id at the end, as in test-$$; several can stand beside each other. Those whose
# owner is gone are taken away by the next `up`.
set -euo pipefail
set_of=${HOSTS:?name the set of hosts, as in test-$$}
self=$(readlink -f "${BASH_SOURCE[0]}")
kept=/run/comity-hosts/$set_of # Open MPI's list of hosts
name() { echo "$set_of-$1"; }  # of a namespace

forsaken() {
  local set
  for set in $(ip netns list 2>/dev/null | grep -oE "^${set_of%-*}-[0-9]+" | sort -u); do
    kill -0 "${set##*-}" 2>/dev/null || HOSTS=$set bash "$self" down
  done
}

up() {
  local i
  down
  forsaken
  for tool in ip unshare mpirun; do
    command -v $tool >/dev/null || { echo "SKIPPED: virtual hosts need $tool"; exit 77; }
  done
  ip netns add "$(name switch)" 2>/dev/null && ip -n "$(name switch)" link add name lan type bridge 2>/dev/null || {
    down
    echo "SKIPPED: network namespaces and bridges may not be made here"
    exit 77
  }
  ip -n "$(name switch)" link set lan up
  mkdir -p "$kept"
  for ((i = 1; i <= $1; i++)); do
    echo "h$i slots=1" >>"$kept/hostfile"
    ip netns add "$(name h$i)"
    mkdir -p "/etc/netns/$(name h$i)"
    { echo "127.0.0.1 localhost"; for ((j = 1; j <= $1; j++)); do echo "10.77.0.$j h$j"; done; } >"/etc/netns/$(name h$i)/hosts"
    ip -n "$(name switch)" link add v$i type veth peer name e0 netns "$(name h$i)"
    ip -n "$(name switch)" link set v$i master lan up
    ip -n "$(name h$i)" addr add 10.77.0.$i/24 dev e0
    ip -n "$(name h$i)" link set e0 up
    ip -n "$(name h$i)" link set lo up
  done
}

at() { # HOST COMMAND...
  local host=$1
  shift
  exec ip netns exec "$(name "$host")" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$host" "$@"
}

everybody() { # on all hosts of the set, for Open MPI 4; by TCP alone
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_MCA_orte_default_hostfile=$kept/hostfile OMPI_MCA_rmaps_base_mapping_policy=node
  export OMPI_MCA_plm_rsh_agent="$self agent" OMPI_MCA_plm=rsh
  export OMPI_MCA_oob_tcp_if_include=e0 OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=e0
  "$@"
}

bad() { # I LATE LOSS, on both ways of the link
  local i=$1 late=$2 loss=$3
  if tc -n "$(name switch)" qdisc replace dev v$i root netem delay "${late}ms" loss "$loss%" 2>/dev/null; then
    tc -n "$(name h$i)" qdisc replace dev e0 root netem delay "${late}ms" loss "$loss%"
    echo "h$i: $late ms, $loss % lost, by netem"
    return
  fi
  # This kernel has no netem: a narrow link, whose queue makes packets late by up to that much and loses those that do not fit into it,
  # and a filter that loses some more.
  [[ $late == 0 ]] || tc -n "$(name switch)" qdisc replace dev v$i root tbf rate 20mbit burst 10k latency "${late}ms"
  [[ $late == 0 ]] || tc -n "$(name h$i)" qdisc replace dev e0 root tbf rate 20mbit burst 10k latency "${late}ms"
  command -v nft >/dev/null || { echo "SKIPPED: neither netem nor nft, so nothing can be lost"; exit 77; }
  ip netns exec "$(name h$i)" nft -f - <<NFT
table inet faults
delete table inet faults
table inet faults {
  chain in { type filter hook input priority 0; iifname "e0" numgen random mod 100 < $loss drop; }
  chain out { type filter hook output priority 0; oifname "e0" numgen random mod 100 < $loss drop; }
}
NFT
  echo "h$i: 20 Mbit/s with a queue of $late ms, $loss % lost, by tbf and nft"
}

good() {
  tc -n "$(name switch)" qdisc del dev v$1 root 2>/dev/null || true
  tc -n "$(name h$1)" qdisc del dev e0 root 2>/dev/null || true
  ip netns exec "$(name h$1)" nft flush ruleset 2>/dev/null || true
}

kill_all() { # NAMESPACE
  local pids
  pids=$(ip netns pids "$1" 2>/dev/null) || return 0
  [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
}

crash() { # I [first | last]
  local space pids agent
  space=$(name "h$1")
  pids=$(ip netns pids "$space")
  for agent in $pids; do # whose parent is elsewhere
    grep -qx "$(ps -o ppid= -p "$agent" | tr -d ' ')" <<<"$pids" || break
  done
  case ${2:-} in
  first)
    kill -KILL "$agent"
    while [[ -e /proc/$agent ]]; do sleep 0.01; done # until mpirun knows
    kill_all "$space" ;;
  last)
    kill -STOP "$agent"
    kill -KILL $(grep -vx "$agent" <<<"$pids") ;;
  *) kill_all "$space" ;;
  esac
}

down() {
  local space
  for space in $(ip netns list 2>/dev/null | awk -v set="$set_of-" 'index($1, set) == 1 { print $1 }'); do
    kill_all "$space"
    ip netns del "$space" || true
    rm -rf "/etc/netns/$space"
  done
  rm -rf "$kept"
}

verb=${1:?}
shift
case $verb in
up) up "$1" ;;
at) everybody at "h$1" "${@:2}" ;;
agent) # as Open MPI calls it: HOST COMMAND, to be parsed by a shell
  host=$1
  shift
  at "$host" sh -c "$*" ;;
cut) ip -n "$(name switch)" link set "v$1" down ;;
heal) ip -n "$(name switch)" link set "v$1" up ;;
bad) bad "$@" ;;
good) good "$1" ;;
ps) ip netns pids "$(name "h$1")" | xargs -r ps -o pid=,stat=,comm= -p || true ;; # one may end meanwhile
crash) crash "$@" ;;
down) down ;;
*) sed -n '2,18s/^# \{0,1\}//p' "$self"; exit 64 ;;
esac
