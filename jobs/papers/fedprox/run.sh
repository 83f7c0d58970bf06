#!/usr/bin/env bash
# run.sh synthetic | mnist MNIST-FOLDER  [RUN-FOLDER]: FedAvg, FedProx mu=0 and FedProx mu=1 with 0, 50 and 90 % stragglers (Li et
# al. 2020, figure 1), a table of the curves and, where gnuplot is installed, a plot. Exit code 1 when the published order is not
# met: with stragglers, FedProx mu=1 before mu=0 before FedAvg, by the mean over the rounds of the loss (synthetic) or accuracy
# (MNIST) of the global model on all devices' held-out examples.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/../../common.sh"
case ${1:-} in
synthetic) what=synthetic out=${2:-$project/run/papers/fedprox} column=test_loss sign=-1 ;;
mnist) what=mnist mnist=${2:?usage: run.sh mnist FOLDER with the four IDX files} out=${3:-$project/run/papers/fedprox} column=test_accuracy sign=1 ;;
*) echo "usage: run.sh synthetic | mnist MNIST-FOLDER  [RUN-FOLDER]" >&2; exit 64 ;;
esac
mpirun=(${COMITY_MPIRUN:-bash "$here/../../mpirun.sh"}) # tests put their own launcher here
ranks=${RANKS:-3}
mkdir -p "$out"
if [[ $what == synthetic ]]; then
  data=$out/synthetic-1-1.h5
  "$comity" data generate synthetic --alpha 1 --beta 1 --clients 30 --seed 1 --out "$data"
else
  data=$out/mnist-1000.h5
  "$comity" data import idx --images "$mnist/train-images-idx3-ubyte.gz" --labels "$mnist/train-labels-idx1-ubyte.gz" \
    --test-images "$mnist/t10k-images-idx3-ubyte.gz" --test-labels "$mnist/t10k-labels-idx1-ubyte.gz" --out "$out/mnist.h5"
  "$comity" data partition "$out/mnist.h5" --scheme fedprox --clients 1000 --merge-test --test-fraction 0.1 --seed 1 --out "$data"
fi

curve() { # RUN: "round value" of the measured rounds
  awk -F, -v name=$column 'NR==1 {for (i = 1; i <= NF; i++) if ($i == name) at = i; next} $at != "" {print $1, $at}' "$1/metrics.csv"
}
failed=0
printf '%-11s %-13s %8s %8s %8s %8s %10s\n' stragglers method 'at 10' 'at 20' 'at 50' 'last' "mean $column"
for share in 0 0.5 0.9; do
  means=()
  for method in fedavg fedprox-mu0 fedprox-mu1; do
    settings=(algorithm.name=fedprox algorithm.mu=${method#*-mu})
    [[ $method == fedavg ]] && settings=(algorithm.name=fedavg algorithm.server_learning_rate=1)
    run=$out/$what-$share-$method
    job=$out/$what-$method.yaml
    grep -v '^  mu:' "$here/$what.yaml" >"$job"   # mu belongs to FedProx alone
    "${mpirun[@]}" "$ranks" "$comity" train "$job" "${settings[@]}" clients.straggler_share=$share data.path="$data" run.dir="$run" \
      run.existing=overwrite --quiet </dev/null
    curve "$run" >"$run/curve.txt"
    line=$(awk -v share=$share -v method=$method '
      {v[$1] = $2; sum += $2; last = $2}
      END {printf "%-11s %-13s %8.4f %8.4f %8.4f %8.4f %10.4f", share * 100 " %", method, v[10], v[20], v[50], last, sum / NR}' "$run/curve.txt")
    echo "$line"
    means+=("${line##* }")
  done
  if [[ $share != 0 ]]; then
    awk -v a="${means[0]}" -v b="${means[1]}" -v c="${means[2]}" -v s=$sign 'BEGIN {exit !(s * c > s * b && s * b > s * a)}' ||
      { echo "  not the published order"; failed=1; }
  fi
done
if command -v gnuplot >/dev/null; then
  for share in 0 0.5 0.9; do
    gnuplot -e "set terminal svg size 640,420; set output '$out/$what-$share.svg'; set xlabel 'round'; set ylabel '$column' noenhanced; \
      set title '$(awk "BEGIN {print $share * 100}") % stragglers'; set key outside; \
      plot for [m in 'fedavg fedprox-mu0 fedprox-mu1'] '$out/$what-$share-'.m.'/curve.txt' with lines title m"
  done
  echo "plots: $out/$what-*.svg"
fi
exit $failed
