#!/usr/bin/env bash
# prepare.sh MNIST-FOLDER [OUT]: import MNIST's four IDX files and deal them to 100 clients, as McMahan et al. 2017 did.
set -euo pipefail
source "$(dirname "$0")/../../common.sh"
mnist=${1:?usage: prepare.sh FOLDER with train-images-idx3-ubyte.gz and its three siblings}
out=${2:-$project/run/papers}
mkdir -p "$out"
"$comity" data import idx --images "$mnist/train-images-idx3-ubyte.gz" --labels "$mnist/train-labels-idx1-ubyte.gz" \
  --test-images "$mnist/t10k-images-idx3-ubyte.gz" --test-labels "$mnist/t10k-labels-idx1-ubyte.gz" --out "$out/mnist.h5"
"$comity" data partition "$out/mnist.h5" --scheme iid --clients 100 --seed 1 --out "$out/mnist-iid-100.h5"
"$comity" data partition "$out/mnist.h5" --scheme shards --clients 100 --shards 2 --seed 1 --out "$out/mnist-shards-100.h5"
