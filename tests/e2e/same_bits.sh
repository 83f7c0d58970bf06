#!/usr/bin/env bash
# One seed gives one model, bit for bit: on any number of ranks, after a kill and a resume, and resumed on other ranks.
source "$(dirname "$0")/common.sh"

"$COMITY" data generate blobs --clients 13 --examples 40 --image-side 10 --classes 4 --separation 3 --test-fraction 0.2 --seed 5 --out data.h5 >/dev/null

cat >dense.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [24]}
clients: {per_round: 6}
train: {epochs: 2, batch: 7, learning_rate: 0.05, momentum: 0.5}
server: {rounds: 8}
checkpoint: {every: 3}
YAML
cat >conv.yaml <<'YAML'
data: {path: data.h5}
model:
  layers:
    - {type: conv2d, filters: 4, kernel: 3, padding: same}
    - relu
    - {type: maxpool, kernel: 2}
    - flatten
    - {type: dropout, rate: 0.2}
    - {type: dense, units: 4}
clients: {per_round: 6}
train: {epochs: 2, batch: 7, learning_rate: 0.05}
server: {rounds: 8}
checkpoint: {every: 3}
YAML

# metrics RUN: the records without what has to differ: times and bytes.
metrics() { sed -E 's/"(bytes|seconds|ranks)": ?(\{[^}]*\}|[^,}]*),? ?//g' "$1/metrics.jsonl" | grep -o '"round.*"test_accuracy[^,]*,"test_loss[^,]*' || true; }

for model in dense conv; do
  for algorithm in fedavg scaffold fedadam; do
    settings=(algorithm.name=$algorithm run.progress=none)
    [[ $algorithm == scaffold && $model == dense ]] && settings+=(train.momentum=0)
    run 1 train $model.yaml "${settings[@]}" run.dir=ref-$model-$algorithm --quiet
    reference=$("$COMITY" inspect --hash ref-$model-$algorithm/model.h5)
    [[ $reference =~ ^[0-9a-f]{64}$ ]] || fail "no hash: $reference"
    for ranks in 2 3 4 7; do
      run $ranks train $model.yaml "${settings[@]}" run.dir=r$ranks-$model-$algorithm --quiet
      hash=$("$COMITY" inspect --hash r$ranks-$model-$algorithm/model.h5)
      [[ $hash == "$reference" ]] || fail "$model $algorithm: other bits on $ranks ranks"
      diff <(metrics ref-$model-$algorithm) <(metrics r$ranks-$model-$algorithm) || fail "$model $algorithm: other metrics on $ranks ranks"
    done

    # Killed outright after a checkpoint, resumed on the same and on another number of ranks.
    dead=dead-$model-$algorithm
    setsid "$MPIRUN" "$MPIEXEC" 3 "$COMITY" train $model.yaml "${settings[@]}" server.rounds=1000000 server.wall_time=300 run.dir=$dead --quiet 2>/dev/null &
    job=$!
    until compgen -G "$dead/checkpoint-????????" >/dev/null; do
      kill -0 $job 2>/dev/null || fail "$dead: the job ended before its first checkpoint"
      sleep 0.05
    done
    pkill -KILL -s $job || fail "nothing to kill"
    wait $job 2>/dev/null || true
    last=$(ls -d "$dead"/checkpoint-???????? | tail -1)
    rounds=$((10#${last##*-} + 4))
    cp -r $dead again-$model-$algorithm
    run 1 train $model.yaml "${settings[@]}" server.rounds=$rounds run.dir=long-$model-$algorithm --quiet
    long=$("$COMITY" inspect --hash long-$model-$algorithm/model.h5)
    run 3 train $model.yaml "${settings[@]}" server.rounds=$rounds run.dir=$dead --resume --quiet
    run 4 train $model.yaml "${settings[@]}" server.rounds=$rounds run.dir=again-$model-$algorithm --resume --quiet
    for folder in $dead again-$model-$algorithm; do
      [[ $("$COMITY" inspect --hash $folder/model.h5) == "$long" ]] || fail "$folder: other bits after a kill and a resume"
      [[ $(wc -l <$folder/metrics.jsonl) -eq $rounds ]] || fail "$folder: records missing or doubled after a resume"
      diff <(metrics long-$model-$algorithm) <(metrics $folder) || fail "$folder: other metrics after a resume"
    done
    echo "$model $algorithm: $reference, killed before round $rounds: $long"
  done
done
[[ $(for d in ref-*; do "$COMITY" inspect --hash "$d/model.h5"; done | sort -u | wc -l) -eq 6 ]] || fail "different jobs gave the same model"

# However models and sums travel, in many small pieces.
for collectives in tree mpi; do
  for ranks in 2 4; do
    folder=$collectives-$ranks
    run $ranks train dense.yaml comm.collectives=$collectives comm.piece=0.001 run.progress=none run.dir=$folder --quiet
    [[ $("$COMITY" inspect --hash $folder/model.h5) == $("$COMITY" inspect --hash ref-dense-fedavg/model.h5) ]] ||
      fail "other bits by $collectives on $ranks ranks"
  done
done

# With each kernel forced; the model itself differs in its last bits.
for kernels in openblas native onednn; do
  "$COMITY" check dense.yaml model.kernels=$kernels >/dev/null 2>&1 || { echo "$kernels: not in this build"; continue; }
  for model in dense conv; do
    for ranks in 1 3 4; do
      run $ranks train $model.yaml model.kernels=$kernels run.progress=none run.dir=k$ranks-$model-$kernels --quiet
      hash=$("$COMITY" inspect --hash k$ranks-$model-$kernels/model.h5)
      [[ $ranks -eq 1 ]] && reference=$hash
      [[ $hash == "$reference" ]] || fail "$model with $kernels: other bits on $ranks ranks"
    done
    echo "$model $kernels: $reference"
  done
done
