#!/usr/bin/env bash
# try.sh FOLDER [OUT]: the server and the four hospitals of serve.yaml on this machine, each with an mpirun of its own. FOLDER as for prepare.sh.
set -euo pipefail
source "$(dirname "$0")/../common.sh"
folder=${1:?usage: try.sh FOLDER [OUT]}
out=${2:-$project/run/silo}
bash "$project/jobs/silo/prepare.sh" "$folder" "$out"
cd "$out"
for name in server hospital-{1,2,3,4}; do
  [[ -e $name.key ]] || "$comity" keygen --out $name.key >/dev/null
done
cp "$project/jobs/silo/serve.yaml" job.yaml
rm -f serve/server.addr
bash "$project/jobs/silo/serve.sh" job.yaml run.dir=serve &
server=$!
until [[ -e serve/server.addr ]]; do
  kill -0 $server
  sleep 0.1
done
for silo in 1 2 3 4; do
  bash "$project/jobs/silo/join.sh" --server serve/server.addr --server-key server.key.pub --key hospital-$silo.key \
    --data hospital-$silo.h5 --quiet &
done
wait $server
wait
