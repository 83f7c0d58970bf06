#!/usr/bin/env bash
# mnist_2nn.sh iid | noniid: McMahan et al. 2017, table 1, C=0.1, E=1, B=10, lr 0.1: 97 % in at most 90 (664) rounds.
source "$(dirname "$0")/common.sh"
[[ -n ${COMITY_TEST_DATA:-} ]] || skip "set COMITY_TEST_DATA to the folder that holds mnist/"
PATH=$(dirname "$COMITY"):$PATH bash "$COMITY_SOURCE_DIR/jobs/papers/fedavg/prepare.sh" "$COMITY_TEST_DATA/mnist" . >/dev/null
case $1 in
iid) data=mnist-iid-100.h5 most=90 ;;
noniid) data=mnist-shards-100.h5 most=664 ;;
esac
run 3 train "$COMITY_SOURCE_DIR/jobs/papers/fedavg/mnist-2nn-$1.yaml" data.path=$data run.dir=run --quiet
rounds=$(wc -l <run/metrics.jsonl)
reached=$(awk -F, 'END {print ($2 >= 0.97)}' run/metrics.csv)
echo "$1: $(tail -1 run/metrics.csv | cut -d, -f2) after $rounds rounds, $most allowed"
[[ $reached -eq 1 && $rounds -le $most ]] || fail "97 % was not reached in $most rounds"
