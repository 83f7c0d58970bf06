#!/usr/bin/env bash
# comity keygen: makes key pairs, guards secret keys, and says what to do with the public ones.
source "$(dirname "$0")/common.sh"

# ends CODE ARGUMENT...: comity keygen with these ends so; what it said is in the files `out` and `err`.
ends() {
  local expected=$1 code=0
  shift
  "$COMITY" keygen "$@" >out 2>err || code=$?
  [[ $code -eq $expected ]] || { cat out err; fail "keygen $*: exit code $code, expected $expected"; }
}

(umask 000 && ends 0 --out hospital.key --name st-mary)
[[ $(stat -c %a hospital.key) == 600 && $(stat -c %a hospital.key.pub) == 644 ]] || fail "modes: $(stat -c '%n %a' hospital*)"
[[ $(head -1 out) == "$(cat hospital.key.pub)" ]] || fail "the first line is not the public key: $(cat out)"
grep -qE '^comity-ed25519 [A-Za-z0-9+/]{43}= st-mary$' hospital.key.pub || fail "the public key: $(cat hospital.key.pub)"
[[ $(wc -l <hospital.key.pub) -eq 1 ]] || fail "more than one line: $(cat hospital.key.pub)"
grep -q 'silos: {keys: ' out || fail "nobody is told where the key belongs: $(cat out)"
secret=$(grep -v '^#' hospital.key | cut -d' ' -f2)
[[ -n $secret ]] || fail "no secret key: $(cat hospital.key)"
if grep -qF "$secret" out err hospital.key.pub; then fail "the secret key is shown"; fi

# The fingerprint is what b2sum says.
expected=$(cut -d' ' -f2 hospital.key.pub | base64 -d | b2sum -l 256 | cut -c1-16 | sed -E 's/(....)(....)(....)(....)/\1-\2-\3-\4/')
grep -q "$expected" out || fail "the fingerprint is not $expected: $(cat out)"

# What is there stays, unless --force.
cp hospital.key before && cp hospital.key.pub before.pub
ends 64 --out hospital.key
grep -q 'hospital.key: exists already' err || fail "$(cat err)"
cmp hospital.key before && cmp hospital.key.pub before.pub || fail "a refused keygen wrote"
ends 0 --out hospital.key --force
cmp -s hospital.key before && fail "the key is the old one"
grep -q ' hospital.key$' hospital.key.pub || fail "the file's name is not the key's: $(cat hospital.key.pub)"
[[ $(ls) == "$(printf '%s\n' before before.pub err hospital.key hospital.key.pub out)" ]] || fail "files are left: $(ls)"

# Wrong command lines.
ends 64
grep -q -- '--out is missing' err || fail "$(cat err)"
ends 64 --out
ends 64 --out x --colour
ends 64 --out x y
ends 64 --out x --name 'St Mary'
grep -q "name is at most 63 letters" err || fail "$(cat err)"
ends 66 --out nowhere/x
[[ ! -e x && ! -e x.pub ]] || fail "a wrong command line made files"
ends 0 --help
grep -q '^usage: comity keygen' out || fail "$(cat out)"

# The printed line can be pasted into a job.
ends 0 --out server.key
ends 0 --out silo.key --name silo-1
printf 'data: {path: d.h5}\nmodel: {preset: logistic}\nsilos: {server_key: server.key, keys: [%s, hospital.key.pub]}\n' \
  "$(head -1 out)" >job.yaml
"$COMITY" data generate blobs --clients 2 --examples 20 --features 3 --classes 2 --out d.h5 >/dev/null
"$COMITY" check job.yaml >said 2>&1 || fail "the job is refused: $(cat said)"
sed 's/keys: \[comity-ed25519 ..../keys: [comity-ed25519 /' job.yaml >torn.yaml
code=0
"$COMITY" check torn.yaml >said 2>&1 || code=$?
[[ $code -eq 78 ]] && grep -q 'torn.yaml:3:40' said || fail "a torn key: $code, $(cat said)"
