#!/usr/bin/env bash
# Jobs at the edges of what is allowed: each ends as it should, and on any number of ranks alike.
source "$(dirname "$0")/common.sh"

generate() { "$COMITY" data generate blobs --features 6 --separation 2 "$@" >/dev/null; }
generate --clients 5 --examples 30 --classes 3 --out data.h5
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [8]}
train: {epochs: 2, batch: 7, learning_rate: 0.05}
server: {rounds: 4}
run: {progress: none}
YAML

# train CODE RANKS FOLDER SETTING...: the job ends with this exit code; what it said is in the file `said`.
train() {
  local expected=$1 ranks=$2 folder=$3 code=0
  shift 3
  run "$ranks" train job.yaml run.dir="$folder" "$@" >said 2>&1 || code=$?
  [[ $code -eq $expected ]] || { cat said; fail "$folder on $ranks ranks: exit code $code, expected $expected"; }
}
hash_of() { "$COMITY" inspect --hash "$1/model.h5"; }
rounds_of() { wc -l <"$1/metrics.jsonl"; }
results_of() { hash_of "$1"; cut -d, -f1-13 "$1/metrics.csv"; } # all but bytes and times
same() { diff <(results_of "$1") <(results_of "$2") || fail "$1 and $2 differ"; }

# on NAME SETTING...: the same results alone, with more participants than files, and with more ranks than clients.
on() {
  local name=$1
  shift
  for ranks in 1 2 4 7; do
    train 0 $ranks "$name$ranks" --quiet "$@"
    same "${name}1" "$name$ranks"
  done
}

# More ranks than clients, a server that only serves an algorithm with states.
on scaffold algorithm.name=scaffold

# Several files with held-out parts: which examples those are must not follow from who reads the file.
for i in 1 2 3; do generate --clients $i --examples 25 --classes 3 --test-fraction 0 --seed $i --out silo-$i.h5; done
on silos 'data.path=[silo-1.h5,silo-2.h5,silo-3.h5]' data.holdout=0.2 data.standardize=federated algorithm.name=feddyn
on pattern 'data.path=silo-{rank}.h5' data.silos=3 data.holdout=0.2 data.standardize=silo
[[ $(hash_of silos1) != "$(hash_of pattern1)" ]] || fail "two jobs gave one model"

# A pattern without data.silos follows the number of ranks; a checkpoint must not.
train 0 3 follows 'data.path=silo-{rank}.h5' server.rounds=2
train 79 4 follows 'data.path=silo-{rank}.h5' --resume
grep -q 'federation of 3 clients, but now there are 6' said || fail "the other federation is not named: $(cat said)"
[[ $(rounds_of follows) -eq 2 ]] || fail "a refused resume touched the records"

# A file of the same name with other examples is not the same data.
cp data.h5 changing.h5
train 0 2 changing data.path=changing.h5 server.rounds=2
generate --clients 5 --examples 31 --classes 3 --out changing.h5
train 79 2 changing data.path=changing.h5 --resume
grep -q 'other numbers of examples than .*changing.h5 has now' said || fail "the changed data are not named: $(cat said)"

# A central test set that only the server can read.
mkdir server others
generate --clients 1 --examples 130 --classes 2 --test-fraction 0 --seed 9 --out server/test.h5
generate --clients 5 --examples 30 --classes 2 --test-fraction 0 --seed 8 --out server/data.h5
cp job.yaml server
cp server/data.h5 others
for ranks in 1 3; do
  # shellcheck disable=SC2016
  "$MPIRUN" "$MPIEXEC" $ranks bash -c 'cd "$0/$([[ ${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}} == 0 ]] && echo server || echo others)"; exec "$@"' \
    "$work" "$COMITY" train job.yaml data.test=test.h5 data.standardize=federated evaluate.batch=20 run.dir="$work/test$ranks" --quiet
done
same test1 test3
cut -d, -f4 test3/metrics.csv | tail -1 | grep -q '^0\.' || fail "no AUC of two classes"

# All slow: left out, nobody is there; their partial work counts, everybody is.
train 69 2 slow clients.straggler_share=1 clients.straggler_policy=drop
grep -q '5 were slow and left out' said || fail "it is not said who was missing: $(cat said)"
on partial clients.straggler_share=1 clients.straggler_policy=partial

# Nothing in between: tested and saved only at the end, or not at all.
train 0 2 rare evaluate.every=0 checkpoint.every=0
[[ $(awk -F, 'NR > 1 && $2 != ""' rare/metrics.csv | cut -d, -f1) == 4 ]] || fail "tested at other times than the end"
! ls rare | grep checkpoint || fail "a checkpoint that nobody asked for"

# Plain floats need not give the same bits, but the run goes as the exact one does.
train 0 3 float32 aggregate.method=float32
[[ $(rounds_of float32) -eq 4 ]] || fail "float32: rounds are missing"

# Every rank writes a log when asked to.
train 0 3 logs run.log_ranks=true
ls logs/log.txt logs/log-rank1.txt logs/log-rank2.txt >/dev/null

# What to do with an earlier run.
train 78 2 logs run.existing=refuse
train 0 2 logs run.existing=overwrite
[[ ! -e logs/log-rank1.txt && ! -e logs.1 ]] || fail "the earlier run was not replaced"
train 0 2 logs/
[[ -e logs.1/model.h5 && -e logs/model.h5 ]] || fail "the earlier run was not kept"

# Resumed: without a folder, when all is done, when fewer rounds are wanted than were done.
train 0 1 plain
train 0 2 none --resume
same plain none
for settings in '' server.rounds=2; do
  train 0 3 none --resume $settings
  same plain none
  [[ $(rounds_of none) -eq 4 ]] || fail "a finished job was changed by --resume $settings"
done
grep -q '^4,0,' none/clients.csv || fail "the clients' scores are gone"

# A job that stopped on its own stays stopped, until it is given another rule.
for rule in 'server.patience=1 server.min_delta=5' server.target=0.1; do
  name=${rule%%=*}
  train 0 2 "$name" server.rounds=9 $rule
  before=$(rounds_of "$name")
  [[ $before -lt 9 ]] || fail "$rule did not stop the job"
  train 0 3 "$name" server.rounds=9 $rule --resume
  [[ $(rounds_of "$name") -eq $before ]] || fail "$rule: resuming went on after the end"
  train 0 2 "$name" --resume
  same plain "$name"
done
train 0 2 metric server.rounds=2 server.metric=test_loss server.patience=5
train 0 2 metric server.metric=test_accuracy server.target=0.99 --resume # a loss above 1 is no such accuracy
same plain metric

# The time is up after each round.
train 75 3 wall server.wall_time=0.0001
train 75 2 wall server.wall_time=0.0001 --resume
train 0 1 wall --resume
same plain wall

# States on disk, through a resume on other ranks.
train 0 3 disk algorithm.name=scaffold clients.state=disk server.rounds=2
train 0 4 disk algorithm.name=scaffold clients.state=disk --resume
same scaffold1 disk
! ls disk | grep part || fail "a file of states was left behind"

# The quorum is lost in a later round: what was reached is kept, and the job goes on when the client is well again.
quorum=(algorithm.name=scaffold clients.per_round=2 round.min_clients=2 checkpoint.every=0 data.path=clients.h5 seed=2)
cp data.h5 clients.h5
train 0 1 well "${quorum[@]}"
/usr/bin/python3 -c 'import h5py' 2>/dev/null || skip "the rest needs python3-h5py"
/usr/bin/python3 - <<'PY'
import h5py
with h5py.File("clients.h5", "r+") as file:
    file["x"][int(file["offsets"][3]), 0] = float("nan")
PY
train 69 3 ill "${quorum[@]}"
grep -q 'client 3' said || fail "the absent client is not named: $(cat said)"
[[ $(rounds_of ill) -eq 2 && -d ill/checkpoint-00000002 ]] || fail "the rounds before are lost"
train 69 2 ill "${quorum[@]}" --resume
cp data.h5 clients.h5
train 0 4 ill "${quorum[@]}" --resume
same well ill

# A client without examples is absent in each round, with its reason, and nobody else suffers.
/usr/bin/python3 - <<'PY'
import h5py
with h5py.File("data.h5") as old, h5py.File("empty.h5", "w") as new:
    for name, value in old.attrs.items():
        new.attrs[name] = value
    for name in old:
        old.copy(name, new)
    new["offsets"][2] = new["offsets"][1]
PY
on empty data.path=empty.h5 data.standardize=silo algorithm.name=fednova
[[ $(grep -c '"client":1,.*no train examples' empty4/metrics.jsonl) -eq 4 ]] || fail "the empty client is not named"

# What is watched must exist, or the job would go on past the target that it was to stop at.
train 78 2 watched server.metric=test_auc server.target=0.9
grep -q "'server.target' watches test_auc, but this model does not tell two classes apart" said || fail "$(cat said)"
train 78 2 watched model.loss=mean_squared_error server.patience=2
grep -q "'server.patience' watches test_accuracy, which a model of real numbers does not have" said || fail "$(cat said)"
generate --clients 3 --examples 30 --classes 3 --test-fraction 0 --out untested.h5
train 78 2 watched data.path=untested.h5 server.patience=2
grep -q "'server.patience' watches test_accuracy, but there are no test examples" said || fail "$(cat said)"
train 0 2 watched data.path=untested.h5 server.patience=2 server.metric=train_loss
