#!/usr/bin/env bash
# SIGTERM, SIGUSR1 and SIGINT checkpoint and leave with exit code 75; the job goes on from there as if nothing had been.
source "$(dirname "$0")/common.sh"
"$COMITY" data generate blobs --clients 12 --examples 300 --features 40 --classes 5 --separation 2 --seed 5 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [64]}
algorithm: {name: scaffold}
train: {epochs: 5, batch: 5, learning_rate: 0.02}
server: {rounds: 1000000, wall_time: 300} # only a signal ends it
checkpoint: {every: 0}
run: {progress: none}
YAML
for signal in TERM USR1 INT; do
  for target in server participant; do
    run 2 train job.yaml run.dir=$signal-$target --quiet 2>message &
    job=$!
    until [[ $(rounds $signal-$target) -ge 1 ]]; do
      kill -0 $job 2>/dev/null || fail "the job ended before any signal: $(cat message)"
      sleep 0.05
    done
    kill -$signal "$(process_of $([[ $target == server ]] && echo 0 || echo 1) $signal-$target)"
    code=0
    wait $job || code=$?
    [[ $code -eq 75 ]] || { cat message; fail "SIG$signal to the $target: exit code $code, expected 75"; }
    grep -q -- '--resume' message || fail "the message does not say how to go on: $(cat message)"
    done=$(rounds $signal-$target)
    run 3 train job.yaml run.dir=$signal-$target server.rounds=$((done + 5)) --resume --quiet
    run 2 train job.yaml run.dir=whole-$signal-$target server.rounds=$((done + 5)) --quiet
    [[ $("$COMITY" inspect --hash $signal-$target/model.h5) == $("$COMITY" inspect --hash whole-$signal-$target/model.h5) ]] ||
      fail "other bits after SIG$signal"
    echo "SIG$signal to the $target after round $done: exit code 75, same bits after resuming"
  done
done
