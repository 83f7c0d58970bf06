#!/usr/bin/env bash
# fedprox.sh synthetic | mnist: the published order of FedAvg, FedProx mu=0 and mu=1 under 0, 50 and 90 % stragglers.
source "$(dirname "$0")/common.sh"
arguments=("$1")
if [[ $1 == mnist ]]; then
  [[ -n ${COMITY_TEST_DATA:-} ]] || skip "set COMITY_TEST_DATA to the folder that holds mnist/"
  arguments+=("$COMITY_TEST_DATA/mnist")
fi
PATH=$(dirname "$COMITY"):$PATH COMITY_MPIRUN="$MPIRUN $MPIEXEC" bash "$COMITY_SOURCE_DIR/jobs/papers/fedprox/run.sh" "${arguments[@]}" out
