#!/usr/bin/env bash
# serve.sh JOB.yaml [KEY=VALUE ...]: comity serve, started again from the newest checkpoint after a loss of the server, a bounded number of
# times. Each start has an address of its own: silos that run join.sh find it in the same server.addr.
#
#   COMITY_RESTARTS       how often at most (3)
#   COMITY_RESTART_PAUSE  seconds before the first restart, then twice as long each time (5)
set -uo pipefail
source "$(dirname "$0")/../common.sh"
source "$(dirname "$0")/again.sh"
: "${1:?usage: serve.sh JOB.yaml [KEY=VALUE ...]}"
again "68 74 76 82 137 139" "$comity" serve "$@" --resume
