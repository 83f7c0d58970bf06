#!/usr/bin/env bash
# Silos that come by themselves: a server and three silos, each with an mpirun of its own. One dies and comes back, one comes late, one
# leaves and comes again, and a stranger is refused; the model is that of a run in which those clients were absent by schedule. Undisturbed,
# it is that of one mpirun with the same files.
source "$(dirname "$0")/../e2e/common.sh"
source "$COMITY_SOURCE_DIR/tests/fault/drops.sh"
"$MPIEXEC" --version 2>&1 | grep -q 'Open MPI\|OpenRTE' || skip "silos that come by themselves need Open MPI"
command -v ompi-server >/dev/null || skip "there is no ompi-server"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export ASAN_OPTIONS=detect_leaks=0 # of sanitized builds: MPI libraries leave memory behind
PATH=$(dirname "$MPIEXEC"):$PATH
trap 'for job in $(jobs -p); do kill -TERM $job 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$work"' EXIT

for silo in 1 2 3; do
  "$COMITY" data generate blobs --clients 1 --examples 60 --features 8 --classes 3 --separation 2 --seed $silo --out silo-$silo.h5 >/dev/null
  "$COMITY" keygen --out silo-$silo.key >/dev/null
done
"$COMITY" keygen --out server.key >/dev/null
"$COMITY" keygen --out stranger.key >/dev/null
cat >job.yaml <<'YAML'
data: {standardize: federated, holdout: 0.2}
model: {preset: mlp, hidden: [16]}
algorithm: {name: scaffold}
clients: {select: all}
train: {epochs: 1, batch: 10, learning_rate: 0.05}
server: {rounds: 8}
checkpoint: {every: 1}
comm: {silence: 3}
silos: {keys: [silo-1.key.pub, silo-2.key.pub, silo-3.key.pub], server_key: server.key, wait: 40}
run: {progress: none}
YAML

# serve RUN ARGUMENT...: a server in the background, at its address.
serve() {
  "$COMITY" serve job.yaml run.dir="$1" --quiet "${@:2}" >"$1.out" 2>&1 &
  server=$!
  until [[ -e $1/server.addr ]]; do
    kill -0 $server 2>/dev/null || fail "the server ended: $(<"$1.out")"
    sleep 0.05
  done
}
# join RUN SILO NAME ARGUMENT...: a silo in the background, whose output is NAME.out.
join() {
  "$COMITY" join --server "$1/server.addr" --data silo-$2.h5 --key silo-$2.key --server-key server.key.pub "${@:4}" >"$3.out" 2>&1 &
}
# ends CODE PROCESS NAME
ends() {
  local got=0
  wait "$2" || got=$?
  [[ $got -eq $1 ]] || fail "$3: exit code $got instead of $1: $(<"$3.out")"
}
hash_of() { "$COMITY" inspect --hash "$1/model.h5"; }
# until_round RUN ROUND: it is recorded.
until_round() {
  until [[ -e $1/metrics.jsonl && $(wc -l <"$1/metrics.jsonl") -ge $2 ]]; do
    kill -0 $server 2>/dev/null || fail "the server ended before round $2: $(<"$1.out")"
    sleep 0.05
  done
}
# happened RUN KIND: how often.
happened() { grep -c "\"kind\":\"$2\"" "$1/events.jsonl" || true; }
files='data.path=[silo-1.h5,silo-2.h5,silo-3.h5]'
together() { run 4 train job.yaml "$files" 'silos.keys=[]' silos.server_key= silos.wait=300 --quiet "$@"; }

# Undisturbed.
serve whole
join whole 1 whole-1; first=$!
join whole 2 whole-2; second=$!
join whole 3 whole-3; third=$!
ends 0 $server whole
ends 0 $first whole-1; ends 0 $second whole-2; ends 0 $third whole-3
together run.dir=together
[[ $(hash_of whole) == $(hash_of together) ]] || fail "silos give other bits than one mpirun"
echo "undisturbed: same bits as one mpirun"

# Who comes when the job is done has nothing to do, also under an mpirun of his own; who looks for a server that is not there stops when
# asked to, whether there was one before or not.
outside=("$COMITY" join --data silo-1.h5 --key silo-1.key)
inside() { # NOTE ARGUMENT...: mpirun does not hand the exit code on, but that is noted.
  : >"$1"
  COMITY_EXIT_FILE=$1 exec "$MPIEXEC" -n 1 --enable-recovery --oversubscribe "${outside[@]}" "${@:2}"
}
noted() { grep -q "^ended [0-9]* $2\$" "$1" || fail "under mpirun, instead of $2: $(<"$1")"; }
stops() { # NAME SIGNAL PROCESS CODE
  kill -0 $3 2>/dev/null || fail "$1 does not look for its server any more: $(<"$1.out")"
  kill -"$2" $3
  ends "$4" $3 "$1"
}
"${outside[@]}" --server whole/server.addr >late.out 2>&1 || fail "a silo that is too late left with $?: $(<late.out)"
grep -q 'has ended' late.out || fail "a silo that is too late says: $(<late.out)"
(inside late.note --server whole/server.addr) >late-inside.out 2>&1
noted late.note 0
"${outside[@]}" --server nowhere.addr --wait 60 >outside.out 2>&1 & looks=$!
inside inside.note --server nowhere.addr --wait 60 >inside.out 2>&1 & also=$!
sleep 2
stops outside TERM $looks 75
stops inside USR1 $also 0
noted inside.note 75
serve ended
join ended 1 searching --wait 60; looks=$!
until grep -q '1 of 3 silos are here' ended/log.txt; do sleep 0.05; done
kill -TERM $server
ends 75 $server ended
until grep -q 'server has ended' searching.out; do sleep 0.05; done
sleep 1
stops searching TERM $looks 75

# A server that closes the connection in the handshake is one that has gone: the silo may look for it again.
python3 -c 'import socket
door = socket.create_server(("127.0.0.1", 0))
print(door.getsockname()[1], flush=True)
while True: door.accept()[0].close()' >closing & closing=$!
until [[ -s closing ]]; do sleep 0.05; done
sed "s/^door .*/door $(<closing) 127.0.0.1/" ended/server.addr >closing.addr
code=0
"${outside[@]}" --server closing.addr >closing.out 2>&1 || code=$?
kill $closing
[[ $code -eq 82 ]] || fail "a silo whose server closes the connection left with $code: $(<closing.out)"
echo "silos that come too late, or for nothing, leave as they should"

# Silo 2 is killed by schedule in round 4 and comes back, silo 3 comes late, leaves, and comes again, and a stranger is refused.
# In the end the server is asked to stop.
joined() { # COUNT: so many have joined the run `torn`
  until [[ $(happened torn joined) -ge $1 ]]; do
    kill -0 $server 2>/dev/null || fail "the server ended: $(<torn.out)"
    sleep 0.05
  done
}
serve torn server.rounds=1000000 data.standardize=none comm.silence=4 round.min_participants=2 round.wait=60 \
  'faults.schedule=[kill rank 2 round 4 train, delay rank 1 rounds 1-1000000 train constant 0.05 s]'
join torn 1 torn-1; first=$!
join torn 2 torn-2; second=$!
code=0
wait $second || code=$?
[[ $code -eq 76 ]] || fail "silo 2 was not killed but ended with $code: $(<torn-2.out)"
join torn 3 torn-3; third=$!
code=0
"$COMITY" join --server torn/server.addr --data silo-2.h5 --key stranger.key >stranger.out 2>&1 || code=$?
[[ $code -eq 83 ]] || fail "a stranger was not refused but left with $code: $(<stranger.out)"
# So are bytes that are no handshake, too many of them, and a caller who says nothing.
port=$(awk '$1 == "door" { print $2 }' torn/server.addr)
for bytes in 'hello\n' '\x68\0\0\0comity' '\xff\xff\xff\xff' '\0\0\0\0'; do
  exec 9<>"/dev/tcp/127.0.0.1/$port"
  printf "$bytes" >&9
done
exec 8<>"/dev/tcp/127.0.0.1/$port"
joined 3
exec 8<&- 9<&-
kill -TERM $third
ends 75 $third torn-3
join torn 2 torn-4; second=$!
joined 4
join torn 3 torn-5; third=$!
joined 5
until_round torn $(($(wc -l <torn/metrics.jsonl) + 3))
kill -TERM $server
ends 75 $server torn
ends 75 $first torn-1; ends 75 $second torn-4; ends 75 $third torn-5
[[ $(happened torn refused) -ge 4 ]] || fail "strangers are not in the record: $(<torn/events.jsonl)"
for kind in lost left; do [[ $(happened torn $kind) -eq 1 ]] || fail "$(happened torn $kind) times '$kind': $(<torn/events.jsonl)"; done
rounds=$(wc -l <torn/metrics.jsonl)
together run.dir=scheduled data.standardize=none server.rounds=$rounds checkpoint.every=0 "faults.schedule=[$(drops torn)]"
[[ $(hash_of torn) == $(hash_of scheduled) ]] || fail "other bits than with the same absences by schedule: $(drops torn)"
echo "$rounds rounds with $(drops torn | tr ',' ';'): same bits as by schedule"
