#!/usr/bin/env bash
# prepare.sh FOLDER [OUT]: Adult (Kohavi 1996; archive.ics.uci.edu/dataset/2, CC BY 4.0) as a federation whose clients are the kinds
# of employer: seven clients of very unequal size, each with its own view of who earns above 50,000 dollars.
#
# FOLDER holds adult.data and adult.test, as their publisher names them, or adult-train.csv and adult-test.csv, plain or .gz. The first
# line of the publisher's adult.test, which is no row, is left out.
set -euo pipefail
source "$(dirname "$0")/../common.sh"
folder=${1:?usage: prepare.sh FOLDER with adult.data and adult.test [OUT]}
out=${2:-$project/run/adult}
mkdir -p "$out"
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT

# table NAME OTHER: the first of the files, unpacked, with names for its columns.
table() {
  local file
  for file in "$folder/$1" "$folder/$1.gz" "$folder/$2" "$folder/$2.gz"; do
    [[ -e $file ]] || continue
    echo "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,capital_loss,hours,country,income"
    if [[ $file == *.gz ]]; then gzip -dc "$file"; else cat "$file"; fi | grep -v '^|'
    return
  done
  echo "prepare.sh: $folder has neither $1 nor $2" >&2
  return 1
}
table adult.data adult-train.csv >"$aside/adult.csv"
table adult.test adult-test.csv >"$aside/adult-test.csv"

# fnlwgt is the census's weight of the row and says nothing about the person. --client takes the column out of the features.
"$comity" data import csv "$aside/adult.csv" --test "$aside/adult-test.csv" --header --client workclass --drop fnlwgt \
  --positive '>50K|>50K.' --on-missing drop --out "$out/adult.h5"
