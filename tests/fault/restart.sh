#!/usr/bin/env bash
# jobs/run.sh: after the server is lost, at any moment, the job is started again and comes to the model of an undisturbed run; the number
# of restarts is bounded, and what would only fail again is not started again.
source "$(dirname "$0")/../e2e/common.sh"
export COMITY_LAUNCHER="$MPIEXEC" COMITY_RESTART_PAUSE=0 COMITY_END_WAIT=0 # whoever waits for the server is not waited for
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
jobs=$COMITY_SOURCE_DIR/jobs

# expect CODE COMMAND...: it ends with that code; what it says is in the file `said`.
expect() {
  local code=$1 got=0
  shift
  "$@" 2>said || got=$?
  [[ $got -eq $code ]] || { cat said >&2; fail "exit code $got, expected $code: $*"; }
}
says() { grep -Eq -- "$1" said || { cat said >&2; fail "nothing said of: $1"; }; }
same_model() { [[ $("$COMITY" inspect --hash "$1/model.h5") == "$reference" ]] || fail "$1: other bits"; }
server() { awk '$1 == "started" { print $2; exit }' .comity-exit.* 2>/dev/null || true; } # its process id, once it has one
new_server() { # wait for one that is not $1
  local pid
  until pid=$(server) && [[ -n $pid && $pid != "$1" ]]; do
    [[ -d $work ]] || exit 1 # the test has ended
    sleep 0.01
  done
  echo "$pid"
}

"$COMITY" data generate blobs --clients 12 --examples 200 --features 40 --classes 5 --separation 2 --seed 5 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [300]}
algorithm: {name: scaffold}
clients: {fraction: 0.5}
train: {epochs: 3, batch: 10, learning_rate: 0.02}
server: {rounds: 100}
checkpoint: {every: 1, keep: 3}
comm: {silence: 3}
run: {progress: none}
YAML
run 3 train job.yaml run.dir=whole --quiet
reference=$("$COMITY" inspect --hash whole/model.h5)

# The server is killed again and again, every other time while a checkpoint is being written.
killer() {
  local pid=0 kills=0
  RANDOM=11
  while [[ $kills -lt 6 ]]; do
    pid=$(new_server "$pid")
    if ((kills % 2 == 0)); then
      sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
    else
      until compgen -G "killed/checkpoint-*.part*" >/dev/null; do kill -0 "$pid" 2>/dev/null || break; done
    fi
    kill -KILL "$pid" 2>/dev/null || break # the job is done
    kills=$((kills + 1))
    sleep 0.05
    compgen -G "killed/checkpoint-*.part*" >/dev/null && echo torn >>torn
    echo $kills >kills
  done
}
: >torn
echo 0 >kills
killer &
helper=$!
COMITY_RESTARTS=20 expect 0 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=killed --resume --quiet
kill $helper 2>/dev/null || true
same_model killed
[[ $(wc -l <killed/metrics.jsonl) -eq 100 ]] || fail "records were lost or doubled"
[[ $(<kills) -ge 4 && -s torn ]] || fail "only $(<kills) kills, $(wc -l <torn) of them within a checkpoint"
[[ $(grep -c 'starting it again' said) -eq $(<kills) ]] || { cat said >&2; fail "$(<kills) kills, but another number of restarts"; }
[[ -z $(ls -A | grep '^\.comity-exit') ]] || fail "notes of the launcher were left"
echo "$(<kills) servers killed, $(wc -l <torn) of them within a checkpoint: same bits"

# A server that hangs, with nobody left who could see it.
strikes='["stop rank 0 round 50 train", "kill ranks 1- round 50 train after 0.1 s"]'
COMITY_END_WAIT=1 expect 0 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=hanging comm.silence=1 "faults.schedule=$strikes" --resume --quiet
says 'the server hangs' && says 'starting it again'
same_model hanging

# The newest checkpoint is torn.
cp -r killed torn-newest
rm torn-newest/model.h5 && truncate -s 1000 torn-newest/checkpoint-00000100/server.h5
expect 0 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=torn-newest --resume --quiet
same_model torn-newest

# The others notice by themselves, too; they are waited for when that is asked for.
{ until_rounds noticed 1 && kill -KILL "$(server)"; } &
COMITY_END_WAIT=20 expect 0 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=noticed --resume --quiet
says 'rank [12]: the server gave no sign of life'
says 'exit code 82; starting it again'
same_model noticed

# A server that is always killed.
always() {
  local pid=0
  for _ in 1 2 3; do
    pid=$(new_server "$pid")
    kill -KILL "$pid"
  done
}
always &
COMITY_RESTARTS=2 expect 82 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=always --resume --quiet
[[ $(grep -c 'starting it again' said) -eq 2 ]] || fail "not two restarts"
says 'started again 2 times'
expect 0 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=always --resume --quiet
same_model always

# What would only fail again is not started again, nor is what was asked to stop.
expect 78 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=no server.rounds=0
says 'exit code 78 and is not started again'
expect 66 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=no data.path=missing.h5
says 'not started again'
expect 127 bash "$jobs/run.sh" 3 nosuch train job.yaml
says "no command 'nosuch'"
stops() { # ask the script itself
  bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=asked --resume --quiet 2>message &
  local script=$! code=0
  until [[ $(rounds asked) -ge 1 ]]; do
    kill -0 $script 2>/dev/null || fail "the job ended before it was asked to: $(<message)"
    sleep 0.02
  done
  kill -$1 $script
  while kill -0 $script 2>/dev/null; do
    code=0
    wait $script || code=$?
  done
  cat message >&2
  return $code
}
expect 75 stops TERM
rm asked/metrics.jsonl # the sign that the next start is under way
COMITY_REQUEUE='echo again >queue' expect 0 stops USR1
[[ $(<queue) == again ]] || fail "not handed to the queue"
expect 0 bash "$jobs/run.sh" 3 "$COMITY" train job.yaml run.dir=asked --resume --quiet
same_model asked

# A launcher that does not end after the job has, and one that never starts it.
cat >forever.sh <<'SH'
#!/bin/sh
"$MPIEXEC" "$@"
[ "$1" = --version ] || sleep 1000 # as mpirun does when a host does not answer
SH
chmod +x forever.sh
COMITY_LAUNCHER=./forever.sh COMITY_END_WAIT=1 expect 0 bash "$jobs/run.sh" 2 "$COMITY" train job.yaml run.dir=forever --quiet
says 'still waits for others'
same_model forever
printf '#!/bin/sh\n[ "$1" = --version ] || exec sleep 1000\n' >never.sh
chmod +x never.sh
COMITY_LAUNCHER=./never.sh COMITY_START_WAIT=1 COMITY_RESTARTS=0 expect 68 bash "$jobs/run.sh" - "$COMITY" train job.yaml
says 'did not get under way'
