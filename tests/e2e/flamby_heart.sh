#!/usr/bin/env bash
# Fed-Heart-Disease: six methods over five seeds within two standard deviations of FLamby's published means, one silo file per rank.
source "$(dirname "$0")/common.sh"
[[ -n ${COMITY_TEST_DATA:-} ]] || skip "set COMITY_TEST_DATA to the folder that holds heart-disease/"
PATH=$(dirname "$COMITY"):$PATH COMITY_MPIRUN="$MPIRUN $MPIEXEC" \
  bash "$COMITY_SOURCE_DIR/jobs/papers/flamby/run.sh" "$COMITY_TEST_DATA/heart-disease" out
