#!/usr/bin/env bash
# join.sh --server FILE --data FILE --key FILE [--server-key KEY]: comity join, and again after the server or this silo was lost, a bounded
# number of times. A silo that was asked to leave (75), was refused or whose place another process with its key has taken (83), or whose
# data do not fit (65) does not come again by itself.
#
#   COMITY_RESTARTS       how often at most (3)
#   COMITY_RESTART_PAUSE  seconds before the first restart, then twice as long each time (5)
#   COMITY_FETCH          a command that brings the newest server.addr, where no disk is shared: "scp server:run/server.addr ."
set -uo pipefail
source "$(dirname "$0")/../common.sh"
source "$(dirname "$0")/again.sh"
: "${1:?usage: join.sh --server FILE --data FILE --key FILE [--server-key KEY]}"
fetch() { [[ -z ${COMITY_FETCH:-} ]] || eval "$COMITY_FETCH"; }
join() {
  fetch
  exec "$comity" join "$@"
}
again "66 68 76 81 82 137 139" join "$@" --wait 60
