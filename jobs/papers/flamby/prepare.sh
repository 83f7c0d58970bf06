#!/usr/bin/env bash
# prepare.sh FOLDER [OUT]: Fed-Heart-Disease (FLamby, Ogier du Terrail et al. 2022) from UCI's processed.{cleveland,hungarian,
# switzerland,va}.data: silo-1.h5 ... silo-4.h5, each with its hospital's train and test rows, and test.h5, the 254 test rows of all
# four as a central test set. test_rows.txt says which rows FLamby tests on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../../common.sh"
source=${1:?usage: prepare.sh FOLDER with processed.cleveland.data and its three siblings [OUT]}
out=${2:-$project/run/papers/flamby}
mkdir -p "$out"
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT

names=age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num

# Every hospital names the levels itself, so that all get the same 13 features without seeing each other's rows.
# slope, ca and thal are missing in most hospitals: they go before rows with missing values do.
import_heart() {
  "$comity" data import csv "$@" --header --label num --positive '>0' --drop slope,ca,thal --on-missing drop \
    --categorical cp=1,2,3,4 --categorical restecg=0,1,2 --drop-first
}

silo=0
for hospital in cleveland hungarian switzerland va; do
  silo=$((silo + 1))
  data=$source/processed.$hospital.data
  awk -v hospital="$hospital" '$1 == hospital {for (i = 2; i <= NF; i++) print $i}' "$here/test_rows.txt" >"$aside/$hospital.rows"
  { echo "$names"; cat "$data"; } > "$aside/$hospital.csv"
  import_heart "$aside/$hospital.csv" --test-rows "$aside/$hospital.rows" --out "$out/silo-$silo.h5"
  # The same test rows, to be pooled.
  { echo "$names"; awk 'NR == FNR { test[$1]; next } FNR in test' "$aside/$hospital.rows" "$data"; } \
    > "$aside/$hospital-test.csv"
done

import_heart --test "$aside/cleveland-test.csv" --test "$aside/hungarian-test.csv" \
  --test "$aside/switzerland-test.csv" --test "$aside/va-test.csv" --out "$out/test.h5"
