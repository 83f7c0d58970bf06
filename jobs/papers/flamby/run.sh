#!/usr/bin/env bash
# run.sh HEART-DISEASE-FOLDER [RUN-FOLDER]: six methods, five seeds each, one silo file per rank, and a table beside FLamby's
# published mean and standard deviation. Exit code 1 when a mean is further than two standard deviations away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../../common.sh"
data=${1:?usage: run.sh FOLDER with processed.cleveland.data and its three siblings [RUN-FOLDER]}
out=${2:-$project/run/papers/flamby}
mpirun=(${COMITY_MPIRUN:-bash "$here/../../mpirun.sh"}) # tests put their own launcher here
seeds=${SEEDS:-1 2 3 4 5}
bash "$here/prepare.sh" "$data" "$out"

# method, settings; published accuracy on the pooled test set: mean and standard deviation over seeds; published means of the four
# hospitals, each on its own test set
methods='fedavg algorithm.name=fedavg,train.learning_rate=0.001 .7480 .024 .7308 .7191 .6500 .6400
fedprox algorithm.name=fedprox,algorithm.mu=0.01,train.learning_rate=0.001 .7480 .024 .7308 .7191 .6500 .6400
scaffold algorithm.name=scaffold,train.learning_rate=0.001 .7480 .024 .7269 .7191 .6500 .6400
fedadam algorithm.name=fedadam,algorithm.server_learning_rate=0.01,train.learning_rate=0.01 .7787 .013 .7519 .7461 .7375 .6667
fedyogi algorithm.name=fedyogi,algorithm.server_learning_rate=0.01,train.learning_rate=0.003162 .7787 .014 .7596 .7528 .7375 .6756
fedadagrad algorithm.name=fedadagrad,algorithm.server_learning_rate=0.316228,train.learning_rate=0.003162 .7787 .014 .7596 .7528 .7375 .6756'

last() { # FILE COLUMN: its value in the last round
  awk -F, -v name="$2" 'NR==1 {for (i = 1; i <= NF; i++) if ($i == name) at = i} END {print $at}' "$1"
}

printf '%-11s %8s %6s  %-16s %-6s  %s\n' method accuracy sd published inside 'Cleveland, Hungary, Switzerland, Long Beach: here (published)'
failed=0
while read -r method settings mean sd hospitals; do
  values=()
  folders=()
  extra=()
  case $method in fedadam | fedyogi | fedadagrad) extra=(algorithm.tau=1e-8 algorithm.beta1=0.9) ;; esac
  case $method in fedadam | fedyogi) extra+=(algorithm.beta2=0.999) ;; esac
  for seed in $seeds; do
    "${mpirun[@]}" 5 "$comity" train "$here/heart.yaml" ${settings//,/ } "${extra[@]}" seed=$seed \
      "data.path=$out/silo-{rank}.h5" data.test="$out/test.h5" run.dir="$out/$method-$seed" run.existing=overwrite --quiet </dev/null
    folders+=("$out/$method-$seed/clients.csv")
    values+=("$(last "$out/$method-$seed/metrics.csv" test_accuracy)")
  done
  line=$(printf '%s\n' "${values[@]}" | awk -v method="$method" -v mean="$mean" -v sd="$sd" '
    {sum += $1; square += $1 * $1}
    END {m = sum / NR; d = NR > 1 ? sqrt((square - NR * m * m) / (NR - 1) > 0 ? (square - NR * m * m) / (NR - 1) : 0) : 0
         ok = m >= mean - 2 * sd && m <= mean + 2 * sd
         printf "%-11s %8.4f %6.4f  %.4f +- %.4f %-6s", method, m, d, mean, 2 * sd, ok ? "yes" : "NO"}')
  own=$(awk -F, -v published="$hospitals" 'FNR > 1 {sum[$2] += $4; seeds[$2]++}
    END {split(published, p, " "); for (i = 0; i < 4; i++) printf "  %.4f (%.4f)", sum[i] / seeds[i], p[i + 1]}' "${folders[@]}")
  echo "$line$own"
  [[ $line == *NO ]] && failed=1
done <<<"$methods"
echo 'inside: the mean is within two published standard deviations of the published mean'
exit $failed
