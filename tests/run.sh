#!/usr/bin/env bash
# Build everything and pass all tests, on a fresh Debian / Ubuntu machine. Further arguments go to ctest, e.g. -L mpi.
# Tests on real datasets take their folder from COMITY_TEST_DATA and say when they skip.
set -euo pipefail
cd "$(dirname "$0")/.."
bash jobs/quickstart/install.sh test
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1
cmake --preset release -DBUILD_TESTING=ON
cmake --build --preset release
if [[ -z ${COMITY_TEST_DATA:-} ]]; then
  echo "COMITY_TEST_DATA is not set: tests on real datasets (MNIST, heart disease, Adult, ...) are skipped"
fi
ctest --preset release --parallel "$(nproc)" "$@"
