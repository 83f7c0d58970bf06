#!/usr/bin/env bash
# prepare.sh FOLDER [OUT]: the four hospitals of UCI heart disease (archive.ics.uci.edu/dataset/45, CC BY 4.0), each with a file of its own.
#
# In earnest each hospital runs one of these four imports at home, on its own table, and nobody else sees the file. What makes the files
# fit each other is that all use the same command, agreed on beforehand:
#   names        the same columns in the same order, given by the header line;
#   --categorical COLUMN=VALUES   the values that a column can have and their order, not those that happen to occur at home: otherwise
#                a hospital without a patient of chest pain 2 would have one feature less than the others;
#   --drop       columns that some hospital does not record (slope, ca, thal);
#   --positive   what counts as disease: any degree of it.
# `comity check` on the federation compares number of features, classes and names, and says which file differs.
set -euo pipefail
source "$(dirname "$0")/../common.sh"
folder=${1:?usage: prepare.sh FOLDER with processed.cleveland.data and its three siblings [OUT]}
out=${2:-$project/run/silo}
mkdir -p "$out"
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT

rank=0
for hospital in cleveland hungarian switzerland va; do
  rank=$((rank + 1))
  { echo age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num; cat "$folder/processed.$hospital.data"; } \
    >"$aside/$hospital.csv"
  "$comity" data import csv "$aside/$hospital.csv" --header --label num --positive '>0' --drop slope,ca,thal --on-missing drop \
    --categorical cp=1,2,3,4 --categorical restecg=0,1,2 --out "$out/hospital-$rank.h5"
done
