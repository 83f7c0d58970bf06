#!/usr/bin/env bash
# A server and two silos, each on a host of its own with an mpirun of its own. A silo's host crashes, the others go on, and it joins again;
# the other's is cut off for a while, and it takes part again when the link is back. The model is that of a run in which those clients were
# absent by schedule.
source "$(dirname "$0")/../e2e/common.sh"
source "$COMITY_SOURCE_DIR/tests/fault/drops.sh"
"$MPIEXEC" --version 2>&1 | grep -q 'Open MPI\|OpenRTE' || skip "silos that come by themselves need Open MPI"
command -v ompi-server >/dev/null || skip "there is no ompi-server"
export HOSTS=comity-$$
PATH=$(dirname "$MPIEXEC"):$PATH
hosts() { bash "$COMITY_SOURCE_DIR/tests/support/hosts.sh" "$@"; }
trap 'hosts down; rm -rf "$work"' EXIT
hosts up 3 || exit $?

for silo in 1 2; do
  "$COMITY" data generate blobs --clients 1 --examples 60 --features 8 --classes 3 --separation 2 --seed $silo --out silo-$silo.h5 >/dev/null
  "$COMITY" keygen --out silo-$silo.key >/dev/null
done
"$COMITY" keygen --out server.key >/dev/null
cat >job.yaml <<'YAML'
model: {preset: mlp, hidden: [16]}
clients: {select: all}
train: {epochs: 1, batch: 10, learning_rate: 0.05}
server: {rounds: 1000000, wall_time: 120}
comm: {silence: 2}
round: {min_clients: 1}
silos: {keys: [silo-1.key.pub, silo-2.key.pub], server_key: server.key, wait: 60}
faults: {schedule: ['delay rank 1- rounds 1-1000000 train constant 0.05 s']}
run: {progress: none}
YAML

hosts at 1 "$COMITY" serve job.yaml run.dir=run --quiet >serve.out 2>&1 &
server=$!
alive() { kill -0 $server 2>/dev/null || fail "the server ended: $(<serve.out)"; }
until [[ -e run/server.addr ]]; do alive; sleep 0.05; done
join() { # SILO NAME, on host SILO + 1
  hosts at $(($1 + 1)) "$COMITY" join --server run/server.addr --data silo-$1.h5 --key silo-$1.key --server-key server.key.pub --wait 30 >"$2.out" 2>&1 &
}
# happened KINDS COUNT: wait until it has, and for three more rounds.
happened() {
  until [[ $(grep -cE "\"kind\":\"($1)\"" run/events.jsonl 2>/dev/null) -ge $2 ]]; do alive; sleep 0.05; done
  until_rounds run $(($(rounds run) + 3))
}

join 1 first
join 2 second
happened joined 2
hosts crash 3
happened lost 1
echo "a host crashed: the others go on"
join 2 again
happened joined 3
echo "its silo has joined again"
hosts cut 2
happened lost 2
hosts heal 2
happened "joined|rejoined" 4 # it may have left a server that was silent to it, and joins again
echo "a host was cut off and is back"

kill -TERM "$(pgrep -o -f "^$COMITY serve job.yaml run.dir=run")" # the command itself, not what started it on its host
code=0
wait $server || code=$?
[[ $code -eq 75 ]] || fail "the server ended with $code: $(<serve.out)"
"$COMITY" train job.yaml 'data.path=[silo-1.h5,silo-2.h5]' 'silos.keys=[]' silos.server_key= run.dir=scheduled server.rounds="$(rounds run)" \
  --quiet "faults.schedule=[$(drops run)]"
hash_of() { "$COMITY" inspect --hash "$1/model.h5"; }
[[ $(hash_of run) == "$(hash_of scheduled)" ]] || fail "other bits than with the same absences by schedule: $(drops run)"
echo "$(rounds run) rounds with $(drops run | tr ',' ';'): same bits as by schedule"
