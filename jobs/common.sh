# What the scripts of this folder share, sourced by each: the project's folder and the comity command.
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
comity=${COMITY:-comity} # tests put their own here
if ! command -v "$comity" >/dev/null; then # not on the path: what was built here
  PATH=$project/build/release:$PATH
fi
if ! command -v "$comity" >/dev/null; then
  echo "$0: there is no comity command; build it by bash jobs/quickstart/run.sh, or put it on your PATH" >&2
  exit 69
fi
export OPENBLAS_NUM_THREADS=1
