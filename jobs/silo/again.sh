# again "CODES" COMMAND...: run it, and again while it ends with one of these exit codes, at most COMITY_RESTARTS times. Signals go to it.
# Sourced by serve.sh and join.sh.
again() {
  local codes=" $1 " restarts=${COMITY_RESTARTS:-3} pause=${COMITY_RESTART_PAUSE:-5} code start asked=0 child=
  shift
  trap 'asked=1; [[ -z $child ]] || kill -USR1 $child 2>/dev/null' TERM HUP USR1 INT
  for ((start = 0; ; start++)); do
    code=0
    ("$@") &
    child=$!
    wait $child || code=$?
    while kill -0 $child 2>/dev/null; do # wait returns early when a signal arrives
      code=0
      wait $child || code=$?
    done
    [[ $asked -eq 0 && $codes == *" $code "* && $start -lt $restarts ]] || exit $code
    echo "$(basename "$0"): exit code $code; starting again in $((pause << start)) s (restart $((start + 1)) of $restarts)" >&2
    sleep $((pause << start)) &
    child=$!
    wait $child
    [[ $asked -eq 0 ]] || exit $code
  done
}
