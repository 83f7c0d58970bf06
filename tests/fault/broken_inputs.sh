#!/usr/bin/env bash
# Broken inputs as users meet them. Each ends in time, with the documented exit code on every rank and one line that names what is
# wrong and where, and leaves nothing half-written behind.
source "$(dirname "$0")/../e2e/common.sh"
python=/usr/bin/python3
"$python" -c 'import h5py' 2>/dev/null || skip "$python has no h5py to break files with"
notes=$(mktemp -d "${TMPDIR:-/tmp}/comity-notes.XXXXXX") # what the test itself writes, outside the folder under test
mounted=()
clean_up() {
  for folder in "${mounted[@]}"; do umount "$folder" || true; done
  rm -rf "$work" "$notes"
}
trap clean_up EXIT

# Each rank records its own exit code. Open MPI's mpirun would kill the others as soon as the first one has left with an error, so
# that nobody could tell whether they leave by themselves; see `killed_by_mpirun` at the end for how it is by default.
each=$notes/each.sh
cat >"$each" <<'SH'
#!/bin/sh
"$COMITY" "$@"
code=$?
echo $code >"$NOTES/code.$$"
exit $code
SH
chmod +x "$each"
export NOTES=$notes OMPI_MCA_orte_abort_on_non_zero_status=0

cases=0 failures=0 launched=0
complain() {
  failures=$((failures + 1))
  printf 'FAILED: comity %s (on %s ranks)\n  %s\n' "$command" "$ranks" "$*" >&2
  grep -i comity "$notes/err" | sed 's/^/  | /' | head -12 >&2
}

# attempt RANKS CODE ARGUMENT...: comity on that many ranks (0: without mpirun) ends in time, with this exit code on each of them.
attempt() {
  ranks=$1
  local code=$2 got=0 file
  shift 2
  command=$* cases=$((cases + 1))
  rm -f "$notes"/code.*
  local launch=("$MPIRUN" "$MPIEXEC" "$ranks")
  [[ $ranks -gt 0 ]] || launch=()
  timeout -k 2 60 "${launch[@]}" "$each" "$@" >"$notes/out" 2>"$notes/err" || got=$?
  [[ $got -ne 124 && $got -ne 137 ]] || complain "did not end within 60 seconds"
  local left=("$notes"/code.*)
  [[ ${#left[@]} -eq $((ranks > 0 ? ranks : 1)) ]] || complain "only ${#left[@]} ranks came to an end by themselves"
  for file in "${left[@]}"; do
    [[ $(<"$file") -eq $code ]] || { complain "a rank left with exit code $(<"$file"), expected $code"; break; }
  done
}

# says PATTERN: exactly one error line, and it matches.
says() {
  [[ $(grep -c '^comity: error: ' "$notes/err") -eq 1 ]] || complain "not one line 'comity: error:'"
  grep '^comity: error: ' "$notes/err" | grep -Eq -- "$1" || complain "the message does not match: $1"
}

# All there is in the folder under test; logs may grow by what was said.
state() { find . -type d -printf '%p\n' -o ! -name log.txt -printf '%p %s %T@\n' | sort; }

# refused RANKS CODE PATTERN ARGUMENT...: an attempt that says why it fails and changes nothing at all.
refused() {
  local pattern=$3
  state >"$notes/before"
  attempt "$1" "$2" "${@:4}"
  says "$pattern"
  state >"$notes/after"
  diff "$notes/before" "$notes/after" >"$notes/changes" || complain "files changed: $(<"$notes/changes")"
}

# at_once ARGUMENT...: `refused`, three at a time, until `settle`; for what writes nothing and reads what others read, too.
at_once() {
  while [[ $(jobs -rp | wc -l) -ge 3 ]]; do sleep 0.02; done
  cases=$((cases + 1)) launched=$((launched + 1))
  local root=$notes own=$notes/$cases
  mkdir "$own"
  (
    notes=$own NOTES=$own failures=0
    refused "$@"
    [[ $failures -eq 0 ]] && echo passed >>"$root/passed"
  ) &
}
settle() {
  wait
  failures=$((failures + launched - $(grep -c passed "$notes/passed")))
  rm -f "$notes/passed"
  launched=0
}

# Contradictory and misplaced settings need no participants.
rejected() { at_once 0 78 "$1" check job.yaml "${@:2}"; }

holds() { grep -Eq -- "$2" "$1" || complain "$1 does not hold: $2"; }
absent() { [[ ! -e $1 ]] || complain "$1 was left behind"; }
same_model() { [[ $("$COMITY" inspect --hash "$1") == $("$COMITY" inspect --hash "$2") ]] || complain "$1 and $2 differ"; }

"$COMITY" data generate blobs --clients 6 --examples 20 --features 8 --classes 3 --test-fraction 0.2 --seed 5 --out data.h5 >/dev/null
"$COMITY" data generate blobs --clients 3 --examples 20 --image-side 6 --classes 3 --seed 5 --out images.h5 >/dev/null
"$python" "$COMITY_SOURCE_DIR/tests/fault/break.py" .
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: logistic}
train: {batch: 5}
server: {rounds: 3}
checkpoint: {every: 1}
run: {dir: new}
YAML
run 3 train job.yaml run.dir=whole --quiet
common=$(cat job.yaml)

# ---------------------------------------------------------------------------------------------------------------- the command line
attempt 3 64 && says 'name a verb'
refused 3 64 "no verb 'trian'; did you mean 'train'" trian job.yaml
refused 3 64 "no option '--resumee'" train job.yaml --resumee
refused 3 64 'name a job file' train
refused 0 64 "unknown setting 'server.ronds'; did you mean 'server.rounds'" help server.ronds
refused 0 64 "no 'comity data improt csv'" data improt csv
refused 0 64 'evaluate needs --model and --data' evaluate --model whole/model.h5
refused 0 64 "option '--data' needs a value" evaluate --model whole/model.h5 --data
refused 3 78 "unknown setting 'train.learn_rate'; did you mean 'train.learning_rate'" train job.yaml train.learn_rate=1
refused 3 64 "command line: 'hello' is not of the form key=value" train job.yaml hello

# -------------------------------------------------------------------------------------------------------------------- the job file
# job PATTERN LINE...: these lines behind the common ones are refused.
job() {
  printf '%s\n' "$common" "${@:2}" >broken.yaml
  refused 3 78 "$1" train broken.yaml
}
job "broken.yaml:7:11: unknown setting 'clients.fracton'; did you mean 'clients.fraction'" 'clients: {fracton: 0.1}'
job "broken.yaml:8:10: 'evaluate.every' needs a whole number, got 'often'" 'evaluate:' '  every: often'
job "broken.yaml:7:15: 'data.holdout' must lie between 0 and 0.9, got 2" 'data.holdout: 2'
job 'broken.yaml:8:1: not valid YAML: .*begins at line 7, column 10' 'clients: {fraction: 0.1'
job 'broken.yaml:8:1: a tab' 'clients:' "$(printf '\tfraction: 0.1')"
job "broken.yaml:7:.*'data' is given twice|broken.yaml:7:.*'data.path' is given twice, first at .*broken.yaml:1" 'data: {path: other.h5}'
job 'broken.yaml:7:1: a second document' '---' 'seed: 2'
job 'broken.yaml:7:[0-9]+: not valid UTF-8' "$(printf 'run.log_level: \xff\xfe')"
printf 'data: {path: data.h5}\nmodel: {preset: logistic}\nclients: {select: unifrom}\n' >broken.yaml
refused 3 78 "broken.yaml:3:.*'clients.select' must be one of .*, got 'unifrom'; did you mean 'uniform'" train broken.yaml
: >broken.yaml
refused 3 78 "'data.path' is missing" train broken.yaml
refused 3 66 'missing.yaml: cannot open the job file' train missing.yaml
refused 3 78 'whole: not a file' train whole
refused 3 78 "'server.rounds' .*1e30" train job.yaml server.rounds=1e30

# ------------------------------------------------------------------------------------------------------- settings that contradict
layers='model.layers=[flatten, {type: dense, units: 3}]'
rejected "'model.preset' contradicts 'model.layers'" "$layers"
rejected 'the model is missing' model.preset=none
rejected "'model.hidden' has no effect" 'model.hidden=[4]'
rejected "'model.hidden' needs whole numbers .*'0'" model.preset=mlp 'model.hidden=[0]'
rejected "'data.path' lists .*data.h5 twice" 'data.path=[data.h5, data.h5]'
rejected "'data.path' has a \{rank\} pattern beside" 'data.path=[data.h5, "silo-{rank}.h5"]'
rejected "'data.silos' has no effect" data.silos=2
rejected "'data.test' may not hold \{rank\}" 'data.test=test-{rank}.h5'
rejected "'data.x' contradicts 'data.y'" data.x=pixels data.y=pixels
rejected "'train.steps' contradicts 'train.epochs'" train.steps=5 train.epochs=2
rejected "'train.nesterov' contradicts 'train.momentum'" train.nesterov=true
rejected "'algorithm.nesterov' contradicts 'algorithm.server_momentum'" algorithm.name=fedavgm algorithm.nesterov=true algorithm.server_momentum=0
rejected "'train.decay' has no effect" train.decay=0.5
rejected "'train.decay_rounds' has no effect" train.decay_rounds=5
rejected "'clients.straggler_policy' has no effect" clients.straggler_policy=drop
rejected "'clients.straggler_share' contradicts 'train.epochs'" clients.straggler_share=0.5
rejected "'clients.straggler_share' contradicts 'train.steps'" clients.straggler_share=0.5 train.steps=3
rejected "'clients.fraction' contradicts 'clients.per_round'" clients.fraction=0.5 clients.per_round=2
rejected "'clients.per_round' contradicts 'clients.select'" clients.select=all clients.per_round=2
rejected "'clients.fraction' contradicts 'clients.select'" clients.select=all clients.fraction=0.5
rejected "'round.min_clients' contradicts 'clients.per_round'" clients.per_round=2 round.min_clients=3
rejected "'round.min_clients' contradicts 'clients.fraction'" clients.fraction=0 round.min_clients=2
rejected "round.min_clients is 9, but only 6 of 6 clients" round.min_clients=9
rejected "'server.target' is infinite" server.target=.inf
rejected "'server.min_delta' has no effect" server.min_delta=0.1
rejected "'server.patience' contradicts 'evaluate.every'" server.patience=2 evaluate.every=0
rejected "'server.target' contradicts 'evaluate.every'" server.target=0.9 evaluate.every=0
rejected "'run.dir' is empty" run.dir=
rejected 'clients.assign=balanced needs clients' algorithm.name=scaffold clients.assign=balanced
settle
refused 3 78 "no algorithm 'fedporx'; did you mean 'fedprox'" train job.yaml algorithm.name=fedporx
refused 3 78 "algorithm.mu is not read by the algorithm 'fedavg', only by fedprox" train job.yaml algorithm.mu=0.1
refused 3 78 "'model.preset' must be one of .*did you mean 'mnist_cnn'" train job.yaml model.preset=mnist_cn

# --------------------------------------------------------------------------------------------------------------------- the model
# layers PATTERN LAYERS [DATA]
layers() { at_once 3 78 "$1" train job.yaml model.preset=none "model.layers=$2" "data.path=${3:-data.h5}"; }
layers "there is no type of layer 'dens'; did you mean 'dense'" '[{type: dens, units: 3}]'
layers 'layer 1 .*conv2d' '[{type: conv2d, filters: 2, kernel: 3}, flatten, {type: dense, units: 3}]'
layers 'layer 1 .*kernel' '[{type: conv2d, filters: 2, kernel: 9}, flatten, {type: dense, units: 3}]' images.h5
layers 'layer 2 .*is the last and 5 wide, but .* needs 3' '[{type: dense, units: 4}, {type: dense, units: 5}]'
layers 'no layer has parameters' '[relu]'
layers "layer 1 .*units" '[{type: dense}]'
layers "'kernal'.*'kernel'|kernal" '[{type: maxpool, kernal: 2}, flatten, {type: dense, units: 3}]' images.h5
settle
refused 3 78 'model.loss: binary_cross_entropy is for .*data.h5 has 3 classes' train job.yaml model.loss=binary_cross_entropy
refused 3 78 'model.loss: cross_entropy is for .*real-targets.h5 has real targets' train job.yaml model.loss=cross_entropy data.path=real-targets.h5

# ---------------------------------------------------------------------------------------------------------------------- datasets
# data CODE PATTERN FILE
data() { at_once 3 "$1" "$2" train job.yaml "data.path=$3"; }
data 66 'missing.h5: cannot open: No such file' missing.h5
data 74 'whole: is a folder; name a file in it' whole
data 65 'silo-torn.h5: a damaged or truncated HDF5 file' silo-torn.h5
data 65 'foreign.h5: holds neither' foreign.h5
data 65 'job.yaml: .*HDF5' job.yaml
data 65 "no-labels.h5: no dataset 'y'" no-labels.h5
data 65 "scalar.h5: dataset 'x' has 0 dimensions" scalar.h5
data 65 "text-labels.h5: dataset 'y' holds text" text-labels.h5
data 65 "fewer-labels.h5: dataset 'x' has 120 rows, but 'y' has 119" fewer-labels.h5
data 65 "descending.h5: 'offsets' goes from 90 to 80 at client 3" descending.h5
data 65 "short-offsets.h5: 'offsets' ends with 100, but there are 120 rows" short-offsets.h5
data 65 "late-offsets.h5: 'offsets' begins with 1" late-offsets.h5
data 65 'empty.h5: holds no examples' empty.h5
settle
refused 3 65 'wide.h5: a test example has 16 features, but training has 8' train job.yaml data.test=wide.h5
refused 3 66 'missing.h5: cannot open' train job.yaml data.test=missing.h5
cp data.h5 secret.h5
chmod 000 secret.h5
if [[ $(id -u) -ne 0 ]]; then
  data 77 'secret.h5: cannot open: Permission denied' secret.h5
  settle
elif chmod 755 . && setpriv --reuid 65534 --regid 65534 --clear-groups "$COMITY" inspect data.h5 >/dev/null 2>&1; then
  cases=$((cases + 1)) command='inspect secret.h5' ranks=0 code=0
  setpriv --reuid 65534 --regid 65534 --clear-groups "$COMITY" inspect secret.h5 >"$notes/out" 2>"$notes/err" || code=$?
  [[ $code -eq 77 ]] || complain "exit code $code, expected 77"
  says 'secret.h5: cannot open: Permission denied'
else
  echo "left out: a file that may not be read, as root may read all and cannot become somebody else here"
fi

# A client that cannot train is absent, by name and with its reason; the others go on.
# missing CODE CLIENT PATTERN FILE
missing() {
  rm -rf new
  attempt 3 0 train job.yaml data.path=$1 --quiet
  [[ $(wc -l <new/metrics.jsonl) -eq 3 ]] || complain "not three rounds were recorded"
  holds new/metrics.jsonl "\"clients\": ?5,"
  holds new/metrics.jsonl "\"client\": ?2,.*$2"
  holds new/log.txt "round 1: client 2 .*is absent: .*$2"
  rm -rf new
  attempt 3 69 train job.yaml data.path=$1 round.min_clients=6 --quiet
  says "round 1: 5 of 6 selected clients took part, but round.min_clients is 6; client 2 \(rank [12]\): .*$2"
  absent new/model.h5
  [[ ! -s new/metrics.jsonl ]] || complain "a round that failed was recorded"
  rm -rf new
}
missing label-out.h5 'label-out.h5: client 2, train, row 7: label 7 is no class'
missing label-negative.h5 'row 7: label -1 is no class'
missing not-a-number.h5 'client 2: row 7: feature 3 is not a finite number'
missing infinite.h5 'client 2: row 7: feature 3 is not a finite number'
attempt 3 0 train job.yaml data.path=not-a-number.h5 data.standardize=federated --quiet
holds new/log.txt 'round 1: client 2 .*is absent: .*row 7: feature 3 is not a finite number'
rm -rf new
refused 3 80 'overflow.h5: client 2: feature 0 is not finite or too large to be standardised' train job.yaml data.path=overflow.h5 data.standardize=federated
attempt 3 69 train job.yaml train.learning_rate=1e6 train.epochs=50 model.preset=mlp --quiet
says 'round 1: 0 of 6 .*client 0 .*the learning rate 1e.06 is too high'
rm -rf new
missing overflow.h5 '(too large|not finite|overflow)'
attempt 3 69 train job.yaml data.path=all-not-a-number.h5 --quiet
says 'round 1: 0 of 6 selected clients took part.*client 0 .*client 1 .*client 2 '
absent new/model.h5
rm -rf new

# ------------------------------------------------------------------------------------------------------------------------- silos
silos() { at_once 3 "$1" "$2" train job.yaml "data.path=[silo-1.h5, $3]"; }
silos 65 "silo-renamed.h5: feature 5 is called 'age', but 'column-4' in .*silo-1.h5" silo-renamed.h5
silos 65 'silo-wide.h5: an example has 16 features, but 8 in .*silo-1.h5' silo-wide.h5
silos 65 'silo-targets.h5: its labels are real numbers, but classes in .*silo-1.h5' silo-targets.h5
silos 65 'rank 2: .*silo-torn.h5: a damaged or truncated HDF5 file' silo-torn.h5
silos 66 'rank 2: .*silo-9.h5: cannot open: No such file' silo-9.h5
settle
cp silo-1.h5 hospital-1.h5 && cp silo-2.h5 hospital-2.h5
refused 4 66 'rank 3: .*hospital-3.h5: cannot open' train job.yaml 'data.path=hospital-{rank}.h5'
rm hospital-1.h5
refused 0 66 'hospital-1.h5: cannot open' train job.yaml 'data.path=hospital-{rank}.h5'

# ---------------------------------------------------------------------------------------------------------------------- the run
refused 3 66 'run.dir data.h5/run: .*: Not a directory' train job.yaml run.dir=data.h5/run
refused 0 66 'run.dir data.h5/run: .*: Not a directory' check job.yaml run.dir=data.h5/run
refused 3 78 'run.dir whole: holds an earlier run' train job.yaml run.dir=whole run.existing=refuse
refused 3 79 "whole/checkpoint-00000003: belongs to another job: .*train.batch.*--force" train job.yaml run.dir=whole train.batch=7 --resume
cp -r whole torn
truncate -s -100 torn/checkpoint-00000003/server.h5
mkdir torn/checkpoint-00000009
echo hello >torn/checkpoint-00000009/manifest
attempt 3 0 train job.yaml run.dir=torn --resume --quiet
holds torn/log.txt 'checkpoint refused: .*checkpoint-00000003/server.h5: is torn'
holds torn/log.txt 'checkpoint refused: .*checkpoint-00000009/manifest'
holds torn/log.txt 'continuing after round 2'
same_model torn/model.h5 whole/model.h5
for round in 1 2 3 4; do rm -f torn/checkpoint-0000000$round/manifest; done
refused 3 79 'torn: none of its [23] checkpoints can be used; the newest: .*torn/checkpoint-00000009/manifest' train job.yaml run.dir=torn --resume

# ------------------------------------------------------------------------------------------------------------------ the trained model
head -c 2000 whole/model.h5 >torn.h5
refused 0 65 'torn.h5: a damaged or truncated HDF5 file' inspect --hash torn.h5
refused 0 65 'torn.h5: a damaged or truncated HDF5 file' evaluate --model torn.h5 --data data.h5
refused 0 65 "data.h5: is not a model file" inspect --hash data.h5
refused 0 65 'data.h5: ' evaluate --model data.h5 --data data.h5
refused 0 66 'none.h5: cannot open' evaluate --model none.h5 --data data.h5
refused 0 65 'wide.h5: an example has 16 features, but whole/model.h5 wants 8' evaluate --model whole/model.h5 --data wide.h5
refused 0 65 'real-targets.h5: its labels are of another kind' evaluate --model whole/model.h5 --data real-targets.h5
refused 0 65 'label-out.h5: .*row 47: label 7' evaluate --model whole/model.h5 --data label-out.h5
refused 0 64 "split is 'train' or 'test', not 'both'" evaluate --model whole/model.h5 --data data.h5 --split both
refused 0 66 'torn-apart' inspect torn-apart
refused 0 66 '[.]: neither a run folder nor a checkpoint' inspect .

# ---------------------------------------------------------------------------------------------------- importers, partitions, generators
refused 0 64 'blobs have at most 2\^32 - 1 clients' data generate blobs --clients 18446744073709551615 --out out.h5
refused 0 64 "clients needs a whole number from 0, not '99999999999999999999'" data generate blobs --clients 99999999999999999999 --out out.h5
refused 0 64 'data.h5: --out is the dataset that is dealt' data partition data.h5 --scheme iid --clients 3 --out ./data.h5
refused 0 64 'at least one client; say how many by --clients' data partition data.h5 --scheme iid --out out.h5
idx() { refused 0 65 "$1" data import idx --images "$2" --labels "$3" --out out.h5; }
idx 'images-torn.idx: .*(ends|cut|short|truncated)' images-torn.idx labels.idx
idx 'images-magic.idx: ' images-magic.idx labels.idx
idx 'images-foreign.idx: is no IDX file: it starts with 89504e47' images-foreign.idx labels.idx
idx '4 .*3|3 .*4' images.idx labels-fewer.idx
idx 'images.idx: has 3 dimensions.*swapped' labels.idx images.idx
csv() { # CODE PATTERN TEXT [OPTION ...]
  printf "$3" >table.csv
  refused 0 "$1" "$2" data import csv table.csv "${@:4}" --out out.h5
}
csv 65 'table.csv:3: has 2 fields where the first line has 3' 'a,b,y\n1,2,0\n1,2\n'
csv 64 "no column 'outcome'; columns are a, b, y" 'a,b,y\n1,2,0\n' --label outcome
csv 65 "table.csv:3: 'x': column 'b' has both numbers and text" 'a,b,y\n1,2,0\n1,x,1\n'
csv 65 'table.csv: is empty' ''
csv 65 'table.csv: has no rows' 'a,b,y\n'
csv 65 "table.csv:2: column 'b': " 'a,b,y\n1,,0\n2,3,1\n'
csv 65 "table.csv:1: columns 1 and 2 are both called 'a'" 'a,a,y\n1,2,0\n'
leaf() {
  printf '%s' "$2" >leaf.json
  refused 0 65 "$1" data import leaf leaf.json --out out.h5
}
leaf 'leaf.json: byte [0-9]+: ' '{"users": ["a"], "num_samples": [2], "user_data": {"a": {"x": [[1, 2], [3'
leaf "leaf.json: .*user 'a'.*2.*3|leaf.json: .*user 'a'.*3.*2" '{"users": ["a"], "num_samples": [3], "user_data": {"a": {"x": [[1, 2], [3, 4]], "y": [0, 1]}}}'
leaf "leaf.json: .*'a'" '{"users": ["a"], "num_samples": [2], "user_data": {"a": {"x": [[1, 2], [3]], "y": [0, 1]}}}'
part() { refused 0 64 "$1" data partition "${@:2}" --out out.h5; }
part '500 clients are more than the 96 examples' data.h5 --scheme iid --clients 500
part 'alpha must be above 0 and finite, not 0' data.h5 --scheme dirichlet --clients 3 --alpha 0
part "no partition scheme 'randm'; schemes are iid" data.h5 --scheme randm --clients 3
part "has no feature 'age'" data.h5 --scheme column --column age
part "needs a whole number from 0, not '-3'" data.h5 --scheme iid --clients -3
refused 0 66 'missing.h5: cannot open' data partition missing.h5 --scheme iid --clients 3 --out out.h5
refused 0 64 'at least one client' data generate blobs --clients 0 --out out.h5
refused 0 64 'test.fraction must be .*not 1' data generate blobs --test-fraction 1 --out out.h5
refused 0 64 "separation needs a number, not 'nan'" data generate blobs --separation nan --out out.h5
refused 0 64 'not -1' data generate synthetic --alpha -1 --out out.h5
refused 0 64 '1 to 65536 classes, not 0' data generate blobs --classes 0 --out out.h5
refused 0 66 'nowhere/out.h5' data generate blobs --out nowhere/out.h5
cp data.h5 out.h5 # an earlier file of that name survives
leaf 'leaf.json: ' '{"users": ["a"]'
csv 65 'table.csv:3' 'a,b,y\n1,2,0\n1,2\n'
rm out.h5

# --------------------------------------------------------------------------------------------------------------------- a full disk
mkdir small
if mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
  mounted+=(small)
  "$COMITY" data generate blobs --clients 50 --out many.h5 >/dev/null
  refused 0 73 'small/out.h5.*[Nn]o space' data generate blobs --clients 50 --out small/out.h5
  refused 0 73 'small/out.h5.*[Nn]o space' data partition many.h5 --scheme iid --clients 5 --out small/out.h5
  # Room for the first checkpoint, but not for the others: what is there stays good, and the job goes on from it.
  big=(model.preset=mlp 'model.hidden=[400]')
  attempt 3 0 train job.yaml "${big[@]}" run.dir=big --quiet
  mount -o remount,size=110k small
  attempt 3 73 train job.yaml "${big[@]}" run.dir=small/run --quiet
  says 'small/run/.*[Nn]o space'
  absent small/run/model.h5
  [[ -z $(find small -name '*.part*') ]] || complain "half-written files were left: $(find small)"
  mount -o remount,size=4m small
  attempt 3 0 train job.yaml "${big[@]}" run.dir=small/run --resume --quiet
  same_model small/run/model.h5 big/model.h5
  [[ $(wc -l <small/run/metrics.jsonl) -eq 3 ]] || complain "records were lost or doubled"
  rm -rf small/run
  mount -o remount,size=8k small
  attempt 3 73 train job.yaml run.dir=small/run --quiet
  says 'small/run/.*[Nn]o space'
  rm -rf small/run
  mount -o remount,size=200k small
  attempt 3 73 train job.yaml "${big[@]}" algorithm.name=scaffold run.dir=small/run --quiet
  says 'small/run/checkpoint-0000000[123].part/(server|clients-[12]).h5: .*[Nn]o space'
  [[ -z $(find small -name '*.part*') ]] || complain "half-written files were left: $(find small)"
else
  echo "left out: a full disk, as nothing can be mounted here"
fi
if [[ -w /dev/full ]]; then
  cases=$((cases + 1)) command='version >/dev/full' ranks=0 code=0
  "$COMITY" version >/dev/full 2>"$notes/err" || code=$?
  [[ $code -eq 74 ]] || complain "exit code $code, expected 74"
  says 'standard output cannot be written'
fi

# ------------------------------------------------------------------------------------------------------------- a rank that hangs
# hangs RANK CODE PATTERN: that rank is stopped in the middle of a job that cannot go on without it; the others do not wait for ever.
cat >"$notes/hang.sh" <<'SH'
#!/bin/sh
[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = "$HANGS" ] || exec "$COMITY" "$@"
"$COMITY" "$@" &
until [ -s new/metrics.jsonl ]; do sleep 0.1; done
kill -STOP $!
wait $!
SH
chmod +x "$notes/hang.sh"
hangs() {
  local got=0
  cases=$((cases + 1)) ranks=3 command="train, rank $1 hangs"
  HANGS=$1 timeout -k 2 60 "$MPIRUN" "$MPIEXEC" 3 "$notes/hang.sh" train job.yaml server.rounds=1000000 evaluate.every=0 checkpoint.every=0 \
    comm.silence=2 round.min_participants=2 --quiet >"$notes/out" 2>"$notes/err" || got=$?
  [[ $got -eq $2 ]] || complain "exit code $got, expected $2"
  says "$3"
  absent new/model.h5
  rm -rf new
}
hangs 2 69 '1 of 2 participants are left, but round.min_participants is 2'
COMITY_END_WAIT=2 SURVIVE=1 hangs 0 82 'rank 1: the server gave no sign of life for 2 s'

# ------------------------------------------------------------------------------------------- unusual, but nothing is wrong with them
attempt 8 0 train job.yaml 'data.path=[silo-1.h5, silo-2.h5, silo-3.h5]' run.dir=eight --quiet
attempt 0 0 train job.yaml 'data.path=[silo-1.h5, silo-2.h5, silo-3.h5]' run.dir=alone --quiet
same_model eight/model.h5 alone/model.h5
attempt 0 0 train job.yaml 'data.path=silo-{rank}.h5' run.dir=pattern --quiet
attempt 8 0 train job.yaml run.dir=crowd --quiet
same_model crowd/model.h5 whole/model.h5
attempt 3 0 train job.yaml run.dir=no-stdin --quiet <&-
same_model no-stdin/model.h5 whole/model.h5
"$COMITY" train job.yaml run.dir=closed <&- >&- 2>&- || complain "failed without standard streams"
same_model closed/model.h5 whole/model.h5
"$COMITY" train job.yaml run.dir=piped 2>"$notes/err" | head -n 1 >"$notes/out" || complain "a reader that left early ended the run"
same_model piped/model.h5 whole/model.h5
set +o pipefail
"$COMITY" help 2>"$notes/err" | head -n 1 >"$notes/out"
[[ ! -s $notes/err ]] || complain "a reader that left early made help complain"

# What mpirun itself ends with, as it is by default.
killed_by_mpirun() {
  local got=0
  cases=$((cases + 1)) ranks=3 command="${*:2}"
  env -u OMPI_MCA_orte_abort_on_non_zero_status timeout 60 "$MPIRUN" "$MPIEXEC" 3 "$COMITY" "${@:2}" >"$notes/out" 2>"$notes/err" || got=$?
  [[ $got -eq $1 ]] || complain "mpirun ended with exit code $got, expected $1"
}
killed_by_mpirun 64 train
killed_by_mpirun 78 train job.yaml server.rounds=0
killed_by_mpirun 66 train job.yaml data.path=missing.h5
killed_by_mpirun 69 train job.yaml data.path=all-not-a-number.h5 --quiet

echo "$cases attempts, $failures complaints"
[[ $failures -eq 0 ]]
