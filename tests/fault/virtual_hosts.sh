#!/usr/bin/env bash
# A job over three hosts, by TCP: the same bits as on one, also over bad links, and after a host has crashed or was cut off.
source "$COMITY_SOURCE_DIR/tests/e2e/common.sh"
export HOSTS=comity-$$ COMITY_LAUNCHER="$MPIEXEC" COMITY_RESTART_PAUSE=0 COMITY_END_WAIT=3 COMITY_START_WAIT=20
[[ $("$MPIEXEC" --version 2>&1) =~ Open\ MPI|OpenRTE ]] || skip "hosts are reached as Open MPI 4 does it"
hosts() { bash "$COMITY_SOURCE_DIR/tests/support/hosts.sh" "$@"; }
trap 'hosts down; rm -rf "$work"' EXIT
hosts up 3 || exit $?

"$COMITY" data generate blobs --clients 12 --examples 200 --features 40 --classes 5 --separation 2 --seed 5 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [64]}
clients: {fraction: 0.5}
train: {epochs: 5, batch: 5, learning_rate: 0.02}
server: {rounds: 20}
checkpoint: {every: 1}
comm: {silence: 2}
run: {progress: none}
YAML
"$COMITY" train job.yaml run.dir=alone --quiet
reference=$("$COMITY" inspect --hash alone/model.h5)
"$COMITY" train job.yaml server.rounds=200 run.dir=long --quiet
long=$("$COMITY" inspect --hash long/model.h5)

# over RANKS FOLDER ARGUMENT...: the job on all hosts, started again where it has to be; what it says is in the file `said`.
over() {
  local code=0
  hosts at 1 bash "$COMITY_SOURCE_DIR/jobs/run.sh" "$1" "$COMITY" train job.yaml run.dir="$2" "${@:3}" --resume --quiet 2>said || code=$?
  [[ $code -eq 0 ]] || { cat said >&2; fail "$2: exit code $code"; }
}
same() { [[ $("$COMITY" inspect --hash "$1/model.h5") == "$2" ]] || fail "$1: other bits"; }
restarts() { grep -c 'starting it again' said || true; }
under_way() { until [[ $(wc -l <"$1/metrics.jsonl") -ge 5 ]] 2>/dev/null; do sleep 0.02; done; } 2>/dev/null

for ranks in 3 5; do
  over $ranks good-$ranks
  same good-$ranks "$reference"
  [[ $(restarts) -eq 0 ]] || fail "an undisturbed job was started again"
done
echo "three hosts: same bits"

hosts bad 2 10 1
over 3 bad comm.silence=10
same bad "$reference"
[[ $(restarts) -eq 0 ]] || fail "a bad link cost a restart"
hosts good 2
echo "over a bad link: same bits"

# Everything on one host ends at once, mpirun's daemon too: mpirun gives the job up, and it is started again.
{ under_way crashed && hosts crash 3; } &
over 3 crashed server.rounds=200
same crashed "$long"
[[ $(restarts) -eq 1 ]] || fail "$(restarts) restarts after a crash"
echo "a crashed host: same bits after a restart"

# A process there ends, but not the host: the others go on, and train its clients.
{ under_way lost && kill -KILL "$(pgrep -n -f "^$COMITY train job.yaml run.dir=lost")"; } &
over 3 lost server.rounds=200
same lost "$long"
[[ $(restarts) -eq 0 ]] || fail "a lost process cost a restart"
grep -q 'is lost' lost/log.txt || fail "nobody was lost"
echo "a lost process: same bits without a restart"

# The host's link goes away: the others go on; mpirun waits for the host in vain and is ended.
{ under_way cut && hosts cut 3; } &
over 3 cut server.rounds=200
same cut "$long"
[[ $(restarts) -eq 0 ]] || fail "a host that was cut off cost a restart"
grep -q 'is lost' cut/log.txt || fail "nobody was lost"
grep -q 'still waits for others' said || fail "mpirun did not wait: has it learnt to?"
hosts heal 3
echo "a host cut off: same bits without a restart"

# The link comes back while the others are still at it.
{ under_way healed && hosts cut 3 && sleep 4 && hosts heal 3; } &
over 3 healed server.rounds=500
grep -q 'is lost' healed/log.txt || fail "nobody was lost"
"$COMITY" train job.yaml server.rounds=500 run.dir=longer --quiet
same healed "$("$COMITY" inspect --hash longer/model.h5)"
[[ $(restarts) -eq 0 ]] || fail "a host that came back cost a restart"
echo "a host cut off for a while: same bits without a restart"
