#!/usr/bin/env bash
# run.sh [quick|full] [-o DIR] [--only PARTS] [--workloads NAMES] [--yardstick FILE] [--build DIR]
# Measure how fast Comity is here, beside a PyTorch program that does the same work. Writes bench.md, bench.csv and roofline.csv to DIR
# (default build/bench/results) and prints the table. README.md beside this file explains method and columns. COMITY_TEST_DATA: the
# folder that holds mnist/; without it images are generated. PARTS: some of training,rounds,else,start,roofline,scale.
set -euo pipefail
usage() { sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 64; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
form=quick out='' yardstick=$here/torch_fedavg.py build='' only=()
while [[ $# -gt 0 ]]; do
  case $1 in
  quick | full) form=$1 ;;
  -o) out=${2:?-o needs a folder}; shift ;;
  --yardstick) yardstick=$(realpath "${2:?--yardstick needs a file}"); shift ;;
  --build) build=$(realpath "${2:?--build needs the folder of a Release build}"); shift ;;
  --only) only+=(--only "${2:?--only needs names of parts}"); shift ;;
  --workloads) only+=(--workloads "${2:?--workloads needs some of W1,W2,W3,W4}"); shift ;;
  *) usage ;;
  esac
  shift
done
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

if [[ -z $build ]]; then
  build=$project/build/bench
  bash "$project/jobs/quickstart/install.sh" test
  bash "$project/jobs/quickstart/install.sh" bench ||
    echo "some packages of packages.txt's 'bench' could not be installed: what needs them is skipped below" >&2
  cmake -S "$project" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=ON >/dev/null
  cmake --build "$build" --target comity bench_roofline bench_bare bench_comm >/dev/null
fi
out=${out:-$build/results}
mkdir -p "$out/data"
out=$(cd "$out" && pwd)

# Data of the same shape for both sides: the images of MNIST, or generated ones; and a generated table.
PATH=$build:$PATH
data=$out/data
if [[ -n ${COMITY_TEST_DATA:-} && -e $COMITY_TEST_DATA/mnist/train-images-idx3-ubyte.gz ]]; then
  images=MNIST mnist=$COMITY_TEST_DATA/mnist
  comity data import idx --images "$mnist/train-images-idx3-ubyte.gz" --labels "$mnist/train-labels-idx1-ubyte.gz" \
    --test-images "$mnist/t10k-images-idx3-ubyte.gz" --test-labels "$mnist/t10k-labels-idx1-ubyte.gz" --out "$data/whole.h5" >/dev/null
else
  images="generated images (COMITY_TEST_DATA is not set or has no mnist/)"
  comity data generate blobs --image-side 28 --clients 1 --examples 70000 --test-fraction 0.142857142857 --separation 5 \
    --out "$data/whole.h5" >/dev/null
fi
comity data partition "$data/whole.h5" --scheme iid --clients 100 --out "$data/images.h5" >/dev/null
comity data generate blobs --features 60 --clients 1 --examples 12000 --test-fraction 0.25 --separation 4 --out "$data/whole.h5" >/dev/null
comity data partition "$data/whole.h5" --scheme iid --clients 30 --out "$data/tabular.h5" >/dev/null
rm "$data/whole.h5"
comity data generate blobs --image-side 28 --clients 10 --examples 50 --test-fraction 0 --out "$data/small.h5" >/dev/null

exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$here/bench.py" --form "$form" --build "$build" --out "$out" --yardstick "$yardstick" --images "$images" "${only[@]}"
