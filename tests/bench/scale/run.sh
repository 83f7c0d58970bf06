#!/usr/bin/env bash
# run.sh [quick|full] [-o FOLDER]: how the communication of a round grows with the number of ranks, on simulated networks
# (SimGrid's SMPI: smpicc, smpirun of libsimgrid-dev). Compiles src/comm for the simulation, runs it on both networks with 2 to
# 1024 ranks (quick: to 128), writes FOLDER/scale.csv and scale.svg, and prints each point beside what a tree should take. Fails
# if a point grows faster than that. quick takes about a minute, full more than ten on two cores.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
usage() { echo "usage: run.sh [quick|full] [-o FOLDER]" >&2; exit 64; }
how=full out=results/scale
while [[ $# -gt 0 ]]; do
  case $1 in
  quick | full) how=$1 ;;
  -o) [[ $# -gt 1 ]] || usage; out=$2; shift ;;
  *) usage ;;
  esac
  shift
done
for tool in smpicc smpirun python3; do
  command -v $tool >/dev/null || { echo "scale: $tool is missing (Debian: apt-get install libsimgrid-dev python3)" >&2; exit 69; }
done
mkdir -p "$out/points"
out=$(cd "$out" && pwd)
rm -f "$out"/points/*

# The networks: bytes per second and seconds of one link; two links are between any two ranks, by way of the switch or the hub.
declare -A bandwidth=([cluster]=12.5e9 [silos]=125e6) latency=([cluster]=0.5e-6 [silos]=10e-3)
overhead=0.3e-6 # seconds that sending or receiving a message takes the processor
eager=65536     # bytes; longer messages wait for a handshake: three times the latency

# build: the same sources as the library's, for the simulation.
build() {
  local hdf5 flags
  hdf5=$(pkg-config --cflags hdf5 2>/dev/null || pkg-config --cflags hdf5-serial)
  flags="-std=gnu11 -O2 -DNDEBUG -DSMPI_NO_OVERRIDE_MALLOC -Wall -Wextra -I$root/include -I$root/src -I$here $hdf5"
  # shellcheck disable=SC2086
  smpicc $flags -c "$here/simulated.c" -o "$out/simulated.o"
  # shellcheck disable=SC2086
  smpicc $flags -include "$here/simulated.h" "$here/scale.c" "$root"/src/comm/*.c "$root"/src/core/{clock,memory,nearest,random,status}.c "$root"/src/fault/*.c \
    "$out/simulated.o" -Wl,--wrap=comity_number_word -o "$out/scale" -lm
}

# platform NETWORK RANKS: a star of hosts, each with a link of its own that carries both directions at once.
platform() {
  local file=$out/points/$1-$2
  cat >"$file.xml" <<EOF
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <zone id="$1" routing="Full">
    <cluster id="hosts" prefix="rank-" suffix="" radical="0-$(($2 - 1))" speed="1Gf" bw="${bandwidth[$1]}Bps" lat="${latency[$1]}s"
             sharing_policy="SPLITDUPLEX"/>
  </zone>
</platform>
EOF
  seq -f 'rank-%.0f' 0 $(($2 - 1)) >"$file.hosts"
}

# path_bytes NETWORK: what is on its way while a message is and its handshake.
path_bytes() { awk -F, -v name="$1" '$1 == name { printf "%.0f\n", 2 * 3 * $3 * $2 }' "$out/networks.csv"; }

# simulate NETWORK RANKS IMPLEMENTATION PIECE PARAMETERS...: one simulation; its lines go to a file of its own. blocking:NAME is
# MPI_Bcast and MPI_Reduce as the MPI library NAME chooses them.
simulate() {
  local network=$1 ranks=$2 implementation=$3 piece=$4
  local file=$out/points/$network-$ranks name=$out/points/$network-$ranks-${implementation/:/-}-$piece-$5
  shift 4
  local options=(
    smpi/simulate-computation:no # copying and adding are charged by simulated.c instead: the same on every machine
    smpi/test:0 smpi/wtime:0     # as are tests
    "smpi/os:0:$overhead:0" "smpi/ois:0:$overhead:0" "smpi/or:0:$overhead:0"
    "smpi/async-small-thresh:$eager" "smpi/send-is-detached-thresh:$eager"
    smpi/bw-factor:0:1 "smpi/lat-factor:0:1;$eager:3"
    network/crosstraffic:no network/TCP-gamma:0 network/weight-S:0
    contexts/stack-size:256)
  [[ $implementation != blocking:* ]] || options+=("smpi/coll-selector:${implementation#*:}")
  COMITY_PATH_BYTES=$(path_bytes "$network") || return 255
  export COMITY_PATH_BYTES
  if ! smpirun -platform "$file.xml" -hostfile "$file.hosts" -np "$ranks" --log=root.thres:warning "${options[@]/#/--cfg=}" \
    "$out/scale" "${implementation%%:*}" "$piece" "$@" >"$name.out" 2>"$name.err"; then
    grep -hv -e '--cfg=' -e '->' "$name.err" "$name.out" | sed "s/^/$network, $ranks ranks, $implementation: /" | head -5 >&2
    return 255 # xargs starts no other
  fi
  sed -n "/^[a-z_]*,[0-9]/s/^/$network,$ranks,$implementation,$piece,/p" "$name.out" >"$name.csv"
}

# points: the list of simulations, the longest first.
points() {
  local ranks="2 8 32 128" n network
  local small=$((256 << 10)) large=$((4 << 20)) # bytes of a piece: the default; for 100 million parameters
  if [[ $how == full ]]; then
    for network in silos cluster; do
      for n in 1024 512 128 32 8 2; do echo "$network $n tree $large 100000000"; done
    done
    ranks+=" 512 1024"
  fi
  for n in $(tr ' ' '\n' <<<"$ranks" | sort -rn); do
    for network in silos cluster; do
      echo "$network $n tree $small 0 200000 1700000"
      [[ $n -gt 128 ]] || echo "$network $n blocking:ompi 0 200000 1700000"
      [[ $n -gt 128 ]] || echo "$network $n blocking:mpich 0 200000 1700000"
      [[ $n -gt 32 || $how == quick ]] || echo "$network $n mpi $small 0 200000 1700000"
    done
  done
}

for network in "${!bandwidth[@]}"; do
  echo "$network,${bandwidth[$network]},${latency[$network]},$overhead,$eager"
done >"$out/networks.csv"
build
for n in 2 8 32 128 512 1024; do
  platform cluster $n
  platform silos $n
done
export -f simulate path_bytes
export out overhead eager
started=$(date +%s)
# shellcheck disable=SC2016
points | xargs -P "${SCALE_JOBS:-$(nproc)}" -L 1 bash -c 'simulate "$@"' simulate
{
  echo "network,ranks,implementation,piece,operation,parameters,bytes,seconds"
  cat "$out"/points/*.csv
} >"$out/measured.csv"
echo "$(wc -l <"$out/measured.csv") points in $(($(date +%s) - started)) s, $(smpirun -version | head -1)"
python3 "$here/report.py" "$out"
