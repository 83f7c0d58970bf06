#!/usr/bin/env bash
# 100,000 clients in one job: memory per rank is that of the data it holds, not of the number of clients.
source "$(dirname "$0")/common.sh"
job() { # CLIENTS: resident memory of the largest rank, in KiB
  "$COMITY" data generate blobs --clients "$1" --examples 20 --features 32 --classes 4 --separation 2 --seed 1 --out data-$1.h5 >/dev/null
  cat >job.yaml <<YAML
data: {path: data-$1.h5, cache: 8}
model: {preset: logistic}
algorithm: {name: scaffold}
clients: {per_round: 500}
train: {batch: 5, learning_rate: 0.05}
server: {rounds: 5}
checkpoint: {every: 5}
run: {progress: none, dir: run-$1}
YAML
  cat >measured.sh <<SH
#!/bin/sh
/usr/bin/env time -f %M -a -o rss-$1 "$COMITY" "\$@"
SH
  chmod +x measured.sh
  rm -f rss-$1
  "$MPIRUN" "$MPIEXEC" 3 ./measured.sh train job.yaml --quiet
  sort -n rss-$1 | tail -1
}
small=$(job 1000)
large=$(job 100000)
[[ $(wc -l <run-100000/metrics.jsonl) -eq 5 ]] || fail "the job did not finish"
grep -q '"clients":500' <(tr -d ' ' <run-100000/metrics.jsonl) || fail "not all selected clients took part"
growth=$((large - small))
echo "largest rank: $small KiB with 1,000 clients, $large KiB with 100,000 clients"
# What every rank knows of 100,000 clients, and what the server is told of their test sets, takes some 250 bytes each, the cache 8 MiB,
# and what MPI has received before it was asked for some more; the 256 MB of data and 53 MB of states must not show.
[[ $growth -lt 49152 ]] || fail "memory grew by $growth KiB"
