#!/bin/sh
# Make Fed-Heart-Disease (FLamby, du Terrail et al. 2022) from the four UCI files: silo-1.h5 ... silo-4.h5, each with
# its hospital's train and test rows, and test.h5, the 254 test rows of all four as a central test set.
#
# usage: prepare.sh [FOLDER [OUT]]
#
# FOLDER, or $COMITY_TEST_DATA/heart-disease, holds processed.{cleveland,hungarian,switzerland,va}.data and
# flamby_split.csv, which lists FLamby's train and test rows (center,row_in_file_0based,num,label,set).
# Writes to the folder OUT, by default the current one. COMITY names the program, "comity" by default.
set -eu

source=${1:-${COMITY_TEST_DATA:?name the folder with the heart disease files, or set COMITY_TEST_DATA}/heart-disease}
out=${2:-.}
comity=${COMITY:-comity}
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
  awk -F, -v hospital="$hospital" '$1 == hospital && $5 == "test" { print $2 + 1 }' "$source/flamby_split.csv" \
    > "$aside/$hospital.rows"
  { echo "$names"; cat "$data"; } > "$aside/$hospital.csv"
  import_heart "$aside/$hospital.csv" --test-rows "$aside/$hospital.rows" --out "$out/silo-$silo.h5"
  # The same test rows, to be pooled.
  { echo "$names"; awk 'NR == FNR { test[$1]; next } FNR in test' "$aside/$hospital.rows" "$data"; } \
    > "$aside/$hospital-test.csv"
done

import_heart --test "$aside/cleveland-test.csv" --test "$aside/hungarian-test.csv" \
  --test "$aside/switzerland-test.csv" --test "$aside/va-test.csv" --out "$out/test.h5"
