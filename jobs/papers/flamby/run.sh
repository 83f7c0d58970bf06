#!/usr/bin/env bash
# run.sh HEART-DISEASE-FOLDER [RUN-FOLDER]: six methods, five seeds each, one silo file per rank, and a table beside FLamby's
# published mean and standard deviation. Exit code 1 when a mean is further than two standard deviations away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
data=${1:?usage: run.sh FOLDER with the UCI heart disease files and flamby_split.csv [RUN-FOLDER]}
out=${2:-run/papers/flamby}
mpirun=(${COMITY_MPIRUN:-mpirun -n})   # tests put their own launcher here
seeds=${SEEDS:-42 43 44 45 46}
bash "$here/prepare.sh" "$data" "$out"

# method, settings, published accuracy on the pooled test set: mean, standard deviation (FLamby, results per seed)
methods='fedavg     algorithm.name=fedavg,train.learning_rate=0.001                                               .7480 .024
fedprox    algorithm.name=fedprox,algorithm.mu=0.01,train.learning_rate=0.001                            .7480 .024
scaffold   algorithm.name=scaffold,train.learning_rate=0.001                                             .7480 .024
fedadam    algorithm.name=fedadam,algorithm.server_learning_rate=0.01,train.learning_rate=0.01           .7787 .013
fedyogi    algorithm.name=fedyogi,algorithm.server_learning_rate=0.01,train.learning_rate=0.003162       .7787 .014
fedadagrad algorithm.name=fedadagrad,algorithm.server_learning_rate=0.316228,train.learning_rate=0.003162 .7787 .014'

last() { # FILE COLUMN: its value in the last round
  awk -F, -v name="$2" 'NR==1 {for (i = 1; i <= NF; i++) if ($i == name) at = i} END {print $at}' "$1"
}

printf '%-11s %9s %7s   %-18s %s\n' method accuracy sd 'published' 'inside 2 sd'
failed=0
while read -r method settings mean sd; do
  values=()
  extra=()
  case $method in fedadam | fedyogi | fedadagrad) extra=(algorithm.tau=1e-8 algorithm.beta1=0.9) ;; esac
  case $method in fedadam | fedyogi) extra+=(algorithm.beta2=0.999) ;; esac
  for seed in $seeds; do
    "${mpirun[@]}" 5 "${COMITY:-comity}" train "$here/heart.yaml" ${settings//,/ } "${extra[@]}" seed=$seed \
      "data.path=$out/silo-{rank}.h5" data.test="$out/test.h5" run.dir="$out/$method-$seed" run.existing=overwrite --quiet </dev/null
    values+=("$(last "$out/$method-$seed/metrics.csv" test_accuracy)")
  done
  line=$(printf '%s\n' "${values[@]}" | awk -v method="$method" -v mean="$mean" -v sd="$sd" '
    {sum += $1; square += $1 * $1}
    END {m = sum / NR; d = NR > 1 ? sqrt((square - NR * m * m) / (NR - 1) > 0 ? (square - NR * m * m) / (NR - 1) : 0) : 0
         ok = m >= mean - 2 * sd && m <= mean + 2 * sd
         printf "%-11s %9.4f %7.4f   %.4f +- %.4f   %s\n", method, m, d, mean, 2 * sd, ok ? "yes" : "NO"}')
  echo "$line"
  [[ $line == *NO ]] && failed=1
done <<<"$methods"
exit $failed
