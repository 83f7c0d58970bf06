#!/usr/bin/env bash
# SIGTERM, SIGUSR1 and SIGINT checkpoint and leave with exit code 75; the job goes on from there as if nothing had been.
source "$(dirname "$0")/common.sh"
"$COMITY" data generate blobs --clients 12 --examples 300 --features 40 --classes 5 --separation 2 --seed 5 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [64]}
algorithm: {name: scaffold}
train: {epochs: 5, batch: 5, learning_rate: 0.02}
server: {rounds: 30}
checkpoint: {every: 0}
run: {progress: none}
YAML
run 2 train job.yaml run.dir=whole --quiet
reference=$("$COMITY" inspect --hash whole/model.h5)
for signal in TERM USR1 INT; do
  for target in server participant; do
    run 2 train job.yaml run.dir=$signal-$target --quiet 2>message &
    job=$!
    for _ in $(seq 100); do # until the first round is recorded
      [[ -s $signal-$target/metrics.jsonl ]] && break
      sleep 0.05
    done
    pids=($(pgrep -f "^$COMITY train job.yaml run.dir=$signal-$target" | sort -n))
    [[ ${#pids[@]} -eq 2 ]] || fail "expected two ranks, found ${pids[*]}"
    [[ $target == server ]] && kill -$signal "${pids[0]}" || kill -$signal "${pids[1]}"
    code=0
    wait $job || code=$?
    [[ $code -eq 75 ]] || { cat message; fail "SIG$signal to the $target: exit code $code, expected 75"; }
    grep -q -- '--resume' message || fail "the message does not say how to go on: $(cat message)"
    rounds=$(wc -l <$signal-$target/metrics.jsonl)
    [[ $rounds -lt 30 ]] || fail "the signal came too late to test anything"
    run 3 train job.yaml run.dir=$signal-$target --resume --quiet
    [[ $("$COMITY" inspect --hash $signal-$target/model.h5) == "$reference" ]] || fail "other bits after SIG$signal"
    echo "SIG$signal to the $target after round $rounds: exit code 75, same bits after resuming"
  done
done
