#!/usr/bin/env bash
# SIGKILL at random moments, most of them a few rounds after the start, resumed until done, sometimes on other ranks: the model is that of an undisturbed run.
source "$(dirname "$0")/common.sh"
"$COMITY" data generate blobs --clients 12 --examples 200 --features 40 --classes 5 --separation 2 --seed 5 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [64]}
algorithm: {name: scaffold}
clients: {fraction: 0.5}
train: {epochs: 5, batch: 5, learning_rate: 0.02}
server: {rounds: 60}
checkpoint: {every: 1, keep: 3}
run: {progress: none}
YAML
run 3 train job.yaml run.dir=whole --quiet
reference=$("$COMITY" inspect --hash whole/model.h5)

RANDOM=7
kills=0
for attempt in $(seq 1 60); do
  ranks=$((1 + RANDOM % 4))
  setsid "$MPIRUN" "$MPIEXEC" $ranks "$COMITY" train job.yaml run.dir=killed --resume --quiet &
  group=$!
  until=$((kills % 4 == 0 ? 0 : $(rounds killed) + 1 + RANDOM % 4))
  while kill -0 $group 2>/dev/null && [[ $(rounds killed) -lt $until ]]; do sleep 0.01; done
  sleep "0.0$((RANDOM % 10))"
  if kill -0 $group 2>/dev/null; then
    pkill -KILL -s $group || true
    kills=$((kills + 1))
    wait $group 2>/dev/null || true
  else
    wait $group && break
  fi
  [[ $kills -ge 8 ]] && break
done
[[ $kills -ge 4 && $(rounds killed) -ge 3 ]] || fail "only $kills kills, the last in round $(rounds killed)"
run 2 train job.yaml run.dir=killed --resume --quiet
[[ $("$COMITY" inspect --hash killed/model.h5) == "$reference" ]] || fail "other bits after $kills kills"
[[ $(wc -l <killed/metrics.jsonl) -eq 60 ]] || fail "records missing or doubled after $kills kills"
# Who continues a run says so; whoever was killed before that could not.
resumed=$(grep -c '"kind":"resumed"' killed/events.jsonl)
[[ $resumed -ge 1 && $resumed -le $((kills + 2)) ]] || fail "$resumed resumptions in the list of events after $kills kills"
"$COMITY" inspect killed | grep -q "resumed" || fail "inspect does not tell of the resumptions"
echo "$kills kills, same bits"
