#!/usr/bin/env bash
# round.wait: with fewer participants than round.min_participants the server waits. Who comes back in time is one of them again, and
# the model that of an undisturbed run; when nobody comes, the job ends with 69 when the time is over, not before, with a checkpoint
# from which it goes on; and whoever asks it to stop need not wait.
source "$(dirname "$0")/../e2e/common.sh"
"$MPIEXEC" --version 2>&1 | grep -q 'Open MPI\|OpenRTE' || skip "lost ranks are survived with Open MPI only"

"$COMITY" data generate blobs --clients 6 --examples 30 --features 8 --classes 3 --separation 2 --seed 3 --out data.h5 >/dev/null
cat >job.yaml <<'YAML'
data: {path: data.h5}
model: {preset: mlp, hidden: [16]}
clients: {select: all}
train: {epochs: 1, batch: 10, learning_rate: 0.05}
server: {rounds: 6}
round: {min_participants: 2}
comm: {silence: 1}
checkpoint: {every: 0}
run: {progress: none}
YAML
happened() { grep -c "\"kind\":\"$2\"" "$1/events.jsonl" || true; }
hash_of() { "$COMITY" inspect --hash "$1/model.h5"; }
# train CODE FOLDER ARGUMENT...: three ranks that survive each other end with this code; says after how many milliseconds.
train() {
  local since=$EPOCHREALTIME code=0
  SURVIVE=1 run 3 train job.yaml run.dir="$2" --quiet "${@:3}" 2>"$2.err" || code=$?
  [[ $code -eq $1 ]] || fail "$2: exit code $code instead of $1: $(<"$2.err") $(<"$2/log.txt")"
  local until=$EPOCHREALTIME
  milliseconds=$(((${until/[.,]/} - ${since/[.,]/}) / 1000))
}
run 3 train job.yaml run.dir=whole --quiet

# Rank 2 is silent for longer than comm.silence, and back before the time is up.
train 0 back round.wait=60 'faults.schedule=[stop rank 2 round 3 train for 2.5 s]'
grep -q '1 participants are left: waiting up to 60 s (round.wait) for 2' back/log.txt || fail "nobody waited: $(<back/log.txt)"
for kind in lost rejoined; do [[ $(happened back $kind) -eq 1 ]] || fail "$(happened back $kind) times '$kind': $(<back/events.jsonl)"; done
[[ $(hash_of back) == $(hash_of whole) ]] || fail "other bits after somebody was waited for"
echo "back in time: went on after $milliseconds ms, same bits"

# It is not back: exit code 69, after the silence and the time, from the checkpoint on with others.
train 69 gone round.wait=2 'faults.schedule=[kill rank 2 round 3 train]'
[[ $milliseconds -ge 3000 && $milliseconds -lt 30000 ]] || fail "it ended after $milliseconds ms instead of after 1 + 2 s: $(<gone/log.txt)"
grep -q '1 of 2 participants are left, but round.min_participants is 2' gone.err || fail "the reason is not told: $(<gone.err)"
[[ $(rounds gone) -eq 2 && -d gone/checkpoint-00000002 ]] || fail "no checkpoint of the last complete round: $(ls gone)"
run 3 train job.yaml run.dir=gone --quiet --resume
[[ $(hash_of gone) == $(hash_of whole) ]] || fail "other bits after a resume"
echo "not back in time: ended after $milliseconds ms, same bits after a resume"

# Without round.wait nobody is waited for, and who is asked to stop does not wait either.
train 69 now 'faults.schedule=[stop rank 2 round 3 train for 2.5 s]'
[[ $(happened now rejoined) -eq 0 ]] || fail "somebody was waited for though round.wait is 0: $(<now/events.jsonl)"
! grep -q 'round.wait' now/log.txt || fail "it waits though round.wait is 0"
(
  until grep -qs 'waiting up to' stopped/log.txt; do
    [[ -d $work ]] || exit 1
    sleep 0.05
  done
  kill -USR1 "$(process_of 0 stopped)"
) &
train 69 stopped round.wait=600 'faults.schedule=[kill rank 2 round 3 train]'
[[ $milliseconds -lt 30000 ]] || fail "whoever asked it to stop had to wait for $milliseconds ms"
[[ -d stopped/checkpoint-00000002 ]] || fail "no checkpoint when it was asked to stop: $(ls stopped)"
echo "asked to stop while waiting: ended after $milliseconds ms"
