#!/usr/bin/env bash
# Faults by schedule: scheduled absences give one other model on any number of ranks; being slow gives the same one as being fast;
# a server that dies by schedule is not struck again after a resume; and mistakes in a schedule are named.
source "$(dirname "$0")/../e2e/common.sh"

"$COMITY" data generate blobs --clients 12 --examples 30 --features 8 --classes 3 --separation 3 --test-fraction 0.2 --seed 5 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [16]}
clients: {select: all}
train: {epochs: 2, batch: 7, learning_rate: 0.05}
server: {rounds: 7}
checkpoint: {every: 2}
run: {progress: none}
YAML

# train RANKS NAME ARGUMENT...: the run's hash.
train() {
  run "$1" train job.yaml run.dir="$2" --quiet "${@:3}" >&2
  "$COMITY" inspect --hash "$2/model.h5"
}
# said CODE PATTERN ARGUMENT...: comity ends with this exit code and says so.
said() {
  local got=0
  "$COMITY" "${@:3}" >/dev/null 2>err || got=$?
  [[ $got -eq $1 ]] || fail "exit code $got instead of $1: ${*:3}: $(<err)"
  grep -Eq -- "$2" err || fail "$(<err) does not match $2"
}

undisturbed=$(train 1 undisturbed)

# Clients.
cat >drops.yaml <<'YAML'
faults:
  schedule:
    - drop clients 3,7 rounds 2-4
    - drop client 1 round 6
YAML
cat job.yaml drops.yaml >with.yaml
for ranks in 1 2 4; do
  run $ranks train with.yaml run.dir=drops$ranks --quiet
  hash=$("$COMITY" inspect --hash drops$ranks/model.h5)
  [[ $ranks -gt 1 ]] || dropped=$hash
  [[ $hash == "$dropped" ]] || fail "other bits with dropped clients on $ranks ranks"
  absent=$(grep -o '"client":[0-9]*,"name":"[^"]*","rank":[0-9]*,"status":"[A-Z_]*","reason":"by schedule"' drops$ranks/metrics.jsonl | wc -l)
  [[ $absent -eq 7 ]] || fail "$absent instead of 7 absences by schedule"
  grep -q 'faults are scheduled: drop clients 3,7 rounds 2-4' drops$ranks/log.txt || fail "the log does not warn of faults"
done
[[ $dropped != "$undisturbed" ]] || fail "dropped clients changed nothing"

# A participant's clients: where they are dealt in turn, the second of two has the odd ones.
by_rank=$(train 3 by-rank clients.assign=fixed faults.schedule='drop rank 2 rounds 3-')
by_client=$(train 1 by-client faults.schedule='drop clients 1,3,5,7,9,11 rounds 3-')
[[ $by_rank == "$by_client" ]] || fail "the clients of rank 2 are not those that were dropped"

# Random ones.
one=$(train 1 random1 'faults.schedule=random 6 kinds drop' faults.seed=3)
[[ $one == $(train 4 random4 'faults.schedule=random 6 kinds drop' faults.seed=3) ]] || fail "random drops depend on the ranks"
[[ $one != $(train 1 random-other 'faults.schedule=random 6 kinds drop' faults.seed=4) ]] || fail "random drops ignore their seed"
[[ $(grep -c 'faults are scheduled: drop client' random4/log.txt) -eq 6 ]] || fail "the log does not tell what was drawn"

# Slow is not wrong.
since=$EPOCHREALTIME
slow=$(train 3 slow 'faults.schedule=["delay client 2 rounds 1-4 constant 0.1 s", "delay rank 1 rounds 1-4 sum constant 0.1 s"]')
until=$EPOCHREALTIME
[[ $slow == "$undisturbed" ]] || fail "delays changed the model"
[[ $(((${until/[.,]/} - ${since/[.,]/}) / 1000)) -ge 800 ]] || fail "nobody was delayed"

# The server dies in round 5; the job goes on from the checkpoint of round 4, and gets past it.
got=0
"$COMITY" train job.yaml run.dir=dead --quiet faults.schedule='kill rank 0 round 5 evaluate' 2>/dev/null || got=$?
[[ $got -eq 137 ]] || fail "exit code $got instead of that of SIGKILL"
[[ $(wc -l <dead/metrics.jsonl) -eq 4 && -d dead/checkpoint-00000004 ]] || fail "it did not die in round 5"
resumed=$(train 1 dead faults.schedule='kill rank 0 round 5 evaluate' --resume)
[[ $resumed == "$undisturbed" ]] || fail "other bits after a scheduled death and a resume"

# A run goes on with other faults, but not with other absences.
"$COMITY" train with.yaml run.dir=half server.rounds=4 --quiet
cp -r half half2
said 79 "faults.schedule: '' here, 'drop clients 3,7 rounds 2-4; drop client 1 round 6' there" train job.yaml run.dir=half --resume --quiet
run 2 train with.yaml run.dir=half2 --resume --quiet \
  faults.schedule='["drop clients 3,7 rounds 2-4", "drop client 1 round 6", "delay client 1 constant 0.01 s"]'
[[ $("$COMITY" inspect --hash half2/model.h5) == "$dropped" ]] || fail "other bits after a resume with dropped clients"

# Mistakes.
cat >typo.yaml <<'YAML'
faults:
  schedule:
    - drop client 3
    - kil rank 2 round 4
YAML
cat job.yaml typo.yaml >wrong.yaml
said 78 "wrong.yaml:11:7: 'kil rank 2 round 4': there is no fault 'kil'; did you mean 'kill'" check wrong.yaml
said 78 "there is no client 12; this job has clients 0 to 11" check job.yaml faults.schedule='drop client 12'
said 78 "there is no rank 2; this job has ranks 0 to 0" train job.yaml run.dir=none faults.schedule='kill rank 2 round 4'
[[ ! -e none ]] || fail "a refused job left a folder"
"$COMITY" check job.yaml faults.schedule='kill rank 2 round 4' >/dev/null || fail "a job cannot be checked without its ranks"
echo "undisturbed $undisturbed, with dropped clients $dropped"
