#!/usr/bin/env bash
# A participant that is slow but lives: its work in part or its absence by the deadline, the next round all the same, and
# enough others when more are asked than are needed. Two small silos, and one that would train for a minute.
source "$(dirname "$0")/common.sh"
for silo in 1 2 3; do
  "$COMITY" data generate blobs --clients 1 --examples $((silo == 3 ? 60000 : 20)) --features 60 --classes 5 --separation 2 --seed $silo \
    --out data$silo.h5 >/dev/null
done
cat >job.yaml <<'YAML'
data: {path: 'data{rank}.h5'}
model: {preset: mlp, hidden: [200]}
train: {epochs: 600, batch: 10, learning_rate: 0.02}
clients: {select: all}
server: {rounds: 3}
evaluate: {every: 0}
checkpoint: {every: 0}
run: {progress: none}
comm: {silence: 3}
YAML
kinds() { grep -c "\"kind\":\"$2\"" "$1/events.jsonl" || true; }
column() { python3 -c 'import json, sys; print(*[json.loads(line)[sys.argv[2]] for line in open(sys.argv[1])])' "$1/metrics.jsonl" "$2"; }
steps_of_all() { # how long the longest round took, in seconds, rounded down
  python3 -c 'import json, sys; print(int(max(json.loads(line)["seconds"]["total"] for line in open(sys.argv[1]))))' "$1/metrics.jsonl"
}

for wrong in soon 0 1x; do
  ! run 4 check job.yaml round.deadline=$wrong 2>message || fail "a deadline of '$wrong' is taken"
  grep -q "'round.deadline' is '" message || fail "no reason for refusing a deadline of '$wrong': $(cat message)"
done
! run 3 train job.yaml data.path=data1.h5 round.min_participants=3 --quiet 2>message || fail "three of two participants"
grep -q "round.min_participants is 3, but this job has 2 participants" message || fail "no reason: $(cat message)"

# What is not done does not count, unless the algorithm takes part of the work.
run 4 train job.yaml run.dir=drop round.deadline=1 --quiet
[[ $(column drop clients) == "2 2 2" ]] || fail "clients that counted: $(column drop clients)"
[[ $(kinds drop cut_short) -eq 3 && $(kinds drop completed_without) -eq 3 && $(kinds drop slow) -eq 0 ]] || fail "events: $(cat drop/events.jsonl)"
grep -q '"reason":"it was not done when the server asked for reports"' drop/metrics.jsonl || fail "no reason for the absence"
run 4 train job.yaml run.dir=partial round.deadline=1 algorithm.name=fedprox --quiet
[[ $(column partial clients) == "3 3 3" ]] || fail "clients that counted: $(column partial clients)"
for folder in drop partial; do
  [[ $(steps_of_all $folder) -lt 10 ]] || fail "$folder: a round took $(steps_of_all $folder) s"
done

# More are asked than are needed: the slowest is not missed.
run 4 train job.yaml run.dir=enough clients.select=uniform clients.per_round=2 round.over_selection=1.5 comm.silence=2 --quiet
[[ $(column enough selected) == "3 3 3" && $(column enough clients) == "2 2 2" ]] || fail "clients: $(column enough clients)"
[[ $(kinds enough completed_without) -eq 0 && $(steps_of_all enough) -lt 10 ]] || fail "the slowest was missed"

# Who cannot even answer misses the round, and comes back: it is stopped until the round has gone on without it, which is less long than would make it lost. Another large
# silo keeps the rounds as long as their deadline meanwhile.
cp data3.h5 data4.h5
SURVIVE=1 run 4 train job.yaml run.dir=stopped data.path='[data1.h5, data3.h5, data4.h5]' round.deadline=0.5 algorithm.name=fedprox server.rounds=10 comm.silence=6 --quiet &
job=$!
until_rounds stopped 1
pid=$(process_of 3 stopped)
kill -STOP "$pid"
until [[ $(kinds stopped slow) -ge 1 ]]; do
  kill -0 $job 2>/dev/null || break
  sleep 0.05
done
kill -CONT "$pid"
wait $job || fail "exit code $?"
[[ $(kinds stopped slow) -ge 1 && $(kinds stopped rejoined) -ge 1 && $(kinds stopped lost) -eq 0 ]] || fail "events: $(cat stopped/events.jsonl)"
counted=$(column stopped clients)
[[ $counted == *2* && $counted == *3 && $(wc -w <<<"$counted") -eq 10 ]] || fail "clients that counted: $counted"
"$COMITY" inspect stopped | grep -q "1 participant too slow, 1 rejoined" || fail "inspect does not count them: $("$COMITY" inspect stopped)"
echo "slow ones: in part, absent, not needed, and back again"
