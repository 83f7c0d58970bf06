#!/usr/bin/env bash
# plot.sh [-c COLUMN] [-o FILE.svg] RUN ...: curves of one or several runs, from their metrics.csv. Needs gnuplot.
# COLUMN is a heading of metrics.csv, test_accuracy by default; the picture is curves.svg by default.
set -euo pipefail
column=test_accuracy out=curves.svg
while getopts c:o: letter; do
  case $letter in
  c) column=$OPTARG ;;
  o) out=$OPTARG ;;
  *) exit 64 ;;
  esac
done
shift $((OPTIND - 1))
[[ $# -gt 0 ]] || { sed -n '2,3s/^# //p' "$0" >&2; exit 64; }
command -v gnuplot >/dev/null || { echo "plot.sh: gnuplot is not installed (Debian: gnuplot-nox)" >&2; exit 69; }
for run in "$@"; do
  [[ -e $run/metrics.csv ]] || { echo "plot.sh: $run is no run folder: it has no metrics.csv" >&2; exit 66; }
  head -1 "$run/metrics.csv" | tr , '\n' | grep -qx "$column" ||
    { echo "plot.sh: $run/metrics.csv has no column '$column'; it has $(head -1 "$run/metrics.csv")" >&2; exit 65; }
done
gnuplot -e "set terminal svg size 760,460; set output '$out'; set datafile separator ','; set key outside bottom noenhanced; \
  set xlabel 'round'; set ylabel '$column' noenhanced; set grid; \
  plot for [run in '$*'] run.'/metrics.csv' using (column('round')):(column('$column')) with lines lw 2 title run"
echo "$out: $column of $# run(s)"
