#!/usr/bin/env bash
# round.respawn: who is killed is replaced by a new process, which takes part; the job ends with 0, with the bits of an undisturbed run
# where others stand in meanwhile, and those of a schedule where nobody can.
source "$(dirname "$0")/../e2e/common.sh"
"$MPIEXEC" --version 2>&1 | grep -q 'Open MPI\|OpenRTE' || skip "processes are started in the place of others with Open MPI only"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export ASAN_OPTIONS=detect_leaks=0 # of sanitized builds: MPI libraries leave memory behind

"$COMITY" data generate blobs --clients 6 --examples 40 --features 10 --classes 3 --separation 2 --seed 3 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [16]}
clients: {select: all}
train: {epochs: 1, batch: 10, learning_rate: 0.05}
server: {rounds: 1000000, wall_time: 300} # only the signal below ends it
round: {respawn: true}
comm: {silence: 2}
checkpoint: {every: 5}
faults: {schedule: ['kill rank 2 round 5 train', 'kill rank 3 round 40 train', 'delay rank 1 train constant 0.03 s']}
run: {progress: none}
YAML
happened() { grep -cs "\"kind\":\"$2\"" "$1/events.jsonl" || true; }
hash_of() { "$COMITY" inspect --hash "$1/model.h5"; }
SURVIVE=1 "$MPIRUN" "$MPIEXEC" 4 "$COMITY" train job.yaml run.dir=killed --quiet 2>said &
job=$!
until [[ $(happened killed joined) -eq 2 ]]; do
  kill -0 $job 2>/dev/null || fail "the job ended before the two were replaced: $(<said)"
  sleep 0.05
done
until_rounds killed $(($(rounds killed) + 10))
kill -TERM $job
code=0
wait $job || code=$?
[[ $code -eq 75 ]] || fail "exit code $code: $(<said)"
run 3 train job.yaml run.dir=killed server.rounds=$(($(rounds killed) + 3)) --quiet --resume faults.schedule=[] round.respawn=false
run 3 train job.yaml run.dir=whole server.rounds=$(rounds killed) --quiet faults.schedule=[] round.respawn=false
[[ $(happened killed lost) -eq 2 ]] || fail "lost: $(<killed/events.jsonl)"
[[ $(happened killed joined) -eq 2 ]] || fail "not replaced: $(<killed/events.jsonl) $(<killed/log.txt)"
[[ $(hash_of killed) == $(hash_of whole) ]] || fail "other bits than undisturbed"
echo "two killed, two started in their places: same bits"

# A program that cannot be started any more is not the end of the job.
cp "$COMITY" gone
(until_rounds vain 1 && rm gone) &
COMITY=./gone SURVIVE=1 run 3 train job.yaml run.dir=vain --quiet server.rounds=30 'faults.schedule=[kill rank 2 round 20 train, delay rank 1 rounds 2-19 train constant 0.1 s]'
[[ $(happened vain lost) -eq 1 && $(happened vain joined) -eq 0 ]] || fail "in vain: $(<vain/events.jsonl)"
grep -q 'rank 2 cannot be replaced' vain/log.txt || fail "nothing said of the replacement that could not be: $(<vain/log.txt)"
echo "no program to start: the others went on"
