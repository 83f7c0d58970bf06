#!/usr/bin/env bash
# From a fresh machine to a trained model: install what is missing, build, generate data, train on three ranks.
set -euo pipefail
cd "$(dirname "$0")/../.."
bash jobs/quickstart/install.sh build

cmake --preset release -DBUILD_TESTING=OFF >/dev/null
cmake --build --preset release
export PATH=$PWD/build/release:$PATH OPENBLAS_NUM_THREADS=1

mkdir -p run
comity data generate blobs --clients 20 --examples 300 --image-side 12 --classes 10 --separation 5 --seed 1 --out run/quickstart-data.h5

bash jobs/mpirun.sh 3 comity train jobs/quickstart/job.yaml

echo
echo "The run is in run/quickstart. Look at it with:  build/release/comity inspect run/quickstart"
