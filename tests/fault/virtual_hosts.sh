#!/usr/bin/env bash
# A job over three hosts, by TCP: the same bits as on one, also over bad links, and after a host has crashed or was cut off.
source "$(dirname "$0")/../e2e/common.sh"
export HOSTS=comity-$$ COMITY_LAUNCHER="$MPIEXEC" COMITY_RESTART_PAUSE=0 COMITY_END_WAIT=3 COMITY_START_WAIT=60
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
# meanwhile FOLDER COMMAND...: strike in the background once nine rounds are recorded. Each job waits in the tenth until that has come.
meanwhile() {
  {
    until_rounds "$1" 9
    "${@:2}" && [[ $(rounds "$1") -lt 200 ]] && touch "$1.struck"
  } &
}
struck() { [[ -e $1.struck ]] || fail "$1: the job was over before anything struck it"; }

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

# Everything on one host ends at once, mpirun's daemon too. Where mpirun gives the job up, it is started again; the first time, rank 2
# hangs in the tenth round, so that the others wait for it.
crash() {
  until [[ $(hosts ps 3) =~ \ T[^\ ]*\ +comity ]]; do
    [[ -d $work ]] || exit 1
    sleep 0.02
  done
  hosts crash 3 first
}
meanwhile crashed crash
over 3 crashed server.rounds=200 comm.silence=60 'faults.schedule=stop rank 2 round 10 train'
struck crashed
same crashed "$long"
[[ $(restarts) -eq 1 ]] || fail "$(restarts) restarts after a crash"
echo "a crashed host: same bits after a restart"

# Where mpirun does not, the others go on, and train its clients.
slow='faults.schedule=delay rank 2 round 10 train constant 600 s' # until it is gone
meanwhile quiet hosts crash 3 last
over 3 quiet server.rounds=200 "$slow"
struck quiet
same quiet "$long"
[[ $(restarts) -eq 0 ]] || fail "a crash that mpirun can do without cost a restart"
grep -q 'is lost' quiet/log.txt || fail "nobody was lost"
echo "a crashed host: same bits without a restart"

# A process there ends, but not the host.
kill_it() { kill -KILL $(hosts ps 3 | awk '$3 == "comity" { print $1 }'); }
meanwhile lost kill_it
over 3 lost server.rounds=200 "$slow"
struck lost
same lost "$long"
[[ $(restarts) -eq 0 ]] || fail "a lost process cost a restart"
grep -q 'is lost' lost/log.txt || fail "nobody was lost"
echo "a lost process: same bits without a restart"

# The host's link goes away: the others go on; mpirun waits for the host in vain and is ended.
meanwhile cut hosts cut 3
over 3 cut server.rounds=200 "$slow"
struck cut
same cut "$long"
[[ $(restarts) -eq 0 ]] || fail "a host that was cut off cost a restart"
grep -q 'is lost' cut/log.txt || fail "nobody was lost"
grep -q 'still waits for others' said || fail "mpirun did not wait: has it learnt to?"
hosts crash 3 # what is left of it there
hosts heal 3
echo "a host cut off: same bits without a restart"

# The link comes back while the others are still at it: rank 1 takes longer for two rounds than they need to lose rank 2.
for_a_while() {
  hosts cut 3
  until grep -q 'is lost' healed/log.txt; do
    [[ -d $work ]] || exit 1
    sleep 0.02
  done
  hosts heal 3
}
meanwhile healed for_a_while
over 3 healed server.rounds=200 'faults.schedule=delay rank 1 rounds 10,150 train constant 3 s'
struck healed
same healed "$long"
[[ $(restarts) -eq 0 ]] || fail "a host that came back cost a restart"
grep -q 'is lost' healed/log.txt || fail "nobody was lost"
echo "a host cut off for a while: same bits without a restart"
