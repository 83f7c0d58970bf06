#!/usr/bin/env bash
# The shipped jobs on tables of people: Adult by employer, heart disease by hospital.
source "$(dirname "$0")/common.sh"
[[ -n ${COMITY_TEST_DATA:-} ]] || skip "set COMITY_TEST_DATA to the folder that holds adult/ and heart-disease/"
PATH=$(dirname "$COMITY"):$PATH
jobs=$COMITY_SOURCE_DIR/jobs

# reaches FILE COLUMN LEAST: the last value of that column.
reaches() {
  awk -F, -v column="$2" -v least="$3" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) at = i } END {
    print FILENAME ": " column " " $at ", at least " least " is expected"; exit !($at >= least) }' "$1" || fail "$2 is too low"
}

bash "$jobs/adult/prepare.sh" "$COMITY_TEST_DATA/adult" adult
comity inspect adult/adult.h5 >inspect.txt
grep -q '30162 examples' inspect.txt || fail "Adult has other rows than published: $(cat inspect.txt)"
run 3 train "$jobs/adult/job.yaml" data.path="$PWD/adult/adult.h5" run.dir=adult-run run.progress=none >adult.txt
reaches adult-run/metrics.csv test_accuracy 0.84
reaches adult-run/metrics.csv test_auc 0.895
grep -q 'test AUC: 0.9\|test AUC: 0.89' adult.txt || fail "the summary does not tell the AUC"

bash "$jobs/silo/prepare.sh" "$COMITY_TEST_DATA/heart-disease" silo
run 5 train "$jobs/silo/job.yaml" data.path="$PWD/silo/hospital-{rank}.h5" run.dir=silo-run run.progress=none >silo.txt
reaches silo-run/metrics.csv test_accuracy 0.72
[[ $(grep -c '^ *[0-3]  ' silo.txt) -eq 4 ]] || fail "not every hospital is told how it fares: $(cat silo.txt)"

# Numbers that are learnt as numbers have no accuracy, and none is told.
run 3 train "$jobs/adult/job.yaml" data.path="$PWD/adult/adult.h5" model.loss=mean_squared_error server.metric=test_loss server.rounds=2 \
  run.dir=numbers-run run.progress=plain >numbers.txt
! grep -q accuracy numbers.txt || fail "an accuracy of a regression: $(cat numbers.txt)"

# A model of silos with scales of their own goes to others, too: it carries the statistics of all.
run 5 train "$jobs/silo/job.yaml" data.path="$PWD/silo/hospital-{rank}.h5" data.standardize=silo run.dir=own-run --quiet
comity evaluate --model own-run/model.h5 --data silo/hospital-1.h5 >own.txt
awk '$1 == "accuracy" { exit !($2 >= 0.7) }' own.txt || fail "a model of silos is useless elsewhere: $(cat own.txt)"
