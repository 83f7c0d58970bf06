#!/usr/bin/env bash
# rules_test.sh ROOT: rules.sh notices each kind of violation, and takes no comment or text for code.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$1/src" "$1/include" "$copy"

cat >>"$copy/src/server/assign.c" <<'C'
/* exit(1); printf("x"); MPI_Send() */ // abort()
static const char *quoted(int c) { return c == '"' ? "MPI_Send(\"stdout\", rand())" : "/*"; }
C
"$here/rules.sh" "$copy" || { echo "rules are broken already, or comments and texts are taken for code"; exit 1; }

# plant RULE FILE LINE: put LINE at the end of FILE, where it breaks this rule.
planted=()
plant() {
  printf '%s\n' "$3" >>"$copy/$2"
  planted+=("$1" "$2" "$3")
}
plant 'speaks MPI' src/server/stop.c 'static int f(void) { return MPI_Barrier(MPI_COMM_WORLD); }'
plant 'speaks MPI' src/server/assign.c '/**/ static int g(void) { return MPI_Finalize(); }'
plant 'speaks MPI' src/round/round.c '#include <mpi.h>'
plant 'start and end MPI' src/app/main.c 'static int f(void) { return MPI_Barrier(0); }'
plant 'core stands below' src/core/hash.c '#include <comity/config.h>'
plant 'fault stands on' src/fault/faults.c '#include <comity/comm.h>'
plant 'comm stands on' src/comm/agree.c '#include <comity/data.h>'
plant 'identity stands on' src/identity/key.c '#include <comity/config.h>'
plant 'nothing of MPI' src/identity/seal.c '#include <comity/comm.h>'
plant 'kernel stands on' src/kernel/kernels.c '#include <comity/data.h>'
plant 'above round' src/metrics/auc.c '#include <comity/round.h>'
plant 'no private header' src/train/sgd.c '#include "model/model_impl.h"'
plant 'no private header' src/train/batches.c '#include "../model/model_impl.h"'
plant 'before them' include/comity/data.h '#include <comity/train.h>'
plant 'before them' include/comity/extra.h '#include <comity/core.h>'
plant 'nothing of MPI' src/model/dense.c '#include <comity/aggregate.h>'
plant 'nothing of MPI' src/train/sgd.c '#include <comity/comm.h>'
plant 'nothing of MPI' include/comity/model.h '#include <comity/comm.h>'
plant 'are unique' src/train/dense.c ''
plant 'does not print' src/data/flat.c 'static void f(void) { printf("x"); }'
plant 'does not print' src/core/status.c 'static void f(void) { fputs("x", stderr); }'
plant 'end the process' src/round/report.c 'static void f(void) { exit(1); }'
plant 'end the process' src/core/status.c 'static void f(void) { abort(); }'
plant 'end the process' src/fault/faults.c 'static void f(void) { _exit(1); }'
plant 'random numbers' src/server/stop.c 'static int f(void) { return rand(); }'

if said=$("$here/rules.sh" "$copy"); then
  echo "rules.sh finds nothing wrong"
  exit 1
fi
failed=0
for ((i = 0; i < ${#planted[@]}; i += 3)); do
  # Findings are paragraphs: the rule, then its lines.
  found=$(awk -v RS= -v rule="${planted[i]}" 'index($0, rule)' <<<"$said")
  if ! grep -qF "${planted[i + 1]}" <<<"$found"; then
    echo "not noticed that '${planted[i]}' in ${planted[i + 1]}: ${planted[i + 2]}"
    failed=1
  fi
done
exit $failed
