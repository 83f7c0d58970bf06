#!/usr/bin/env bash
# rules.sh ROOT: whether the sources under ROOT/src and ROOT/include keep the house's rules about who may include, call and
# print what. Prints each offending line with the rule that it breaks, and fails if there is one.
set -eu
shopt -s nullglob
cd "$1"
stripped=$(mktemp -d)
trap 'rm -rf "$stripped"' EXIT
mpi_free='core identity fault config kernel data model algorithm train privacy compress server metrics'

# complain RULE: the lines on stdin, if any, break this rule. Pipes run in a shell of their own, so a file remembers.
complain() {
  local lines
  lines=$(cat)
  [[ -z $lines ]] || printf '%s:\n%s\n\n' "$1" "$lines" | tee -a "$stripped/broken"
}

# A copy of the sources without comments and texts, so that only code is searched; lines keep their numbers.
find src include -type d -exec mkdir -p "$stripped/{}" \;
find src include \( -name '*.[ch]' -o -name '*.def' \) -exec awk -v to="$stripped" '
  FNR == 1 { inside = "" }
  {
    line = ""
    for (i = 1; i <= length($0); i++) {
      c = substr($0, i, 1); two = substr($0, i, 2)
      if (inside == "comment") { if (two == "*/") { inside = ""; i++ } }
      else if (inside == "text") { if (c == "\\") i++; else if (c == "\"") { inside = ""; line = line c } }
      else if (two == "/*") { inside = "comment"; i++ }
      else if (two == "//") break
      else if (c == "\047") i += substr($0, i + 1, 1) == "\\" ? 3 : 2
      else { if (c == "\"" && $0 !~ /^ *# *include/) inside = "text"; line = line c }
    }
    print line > (to "/" FILENAME)
  }' {} +
cd "$stripped"

# search FOLDERS PATTERN: as grep -n, over all sources in these folders.
search() {
  local folders=() name
  for name in $1; do [[ -d src/$name ]] && folders+=("src/$name"); done
  [[ ${#folders[@]} -eq 0 ]] || grep -rnE "$2" "${folders[@]}" || true
}
# except FOLDER...: all folders of src but these.
except() {
  local folder
  for folder in src/*/; do
    folder=$(basename "$folder")
    [[ " $* " == *" $folder "* ]] || printf '%s ' "$folder"
  done
}
word='(^|[^A-Za-z0-9_])'

search "$(except comm app)" "${word}P?MPI_|include <mpi\.h>" |
  complain "only src/comm speaks MPI"
search app "${word}P?MPI_[A-Za-z_]+ *\(" |
  grep -vE 'MPI_(Init|Init_thread|Initialized|Finalize|Finalized|Abort|Get_library_version) *\(' |
  complain "src/app may start and end MPI and nothing else"

search core '#include <comity/' | grep -v '<comity/core\.h>' |
  complain "core stands below all other folders"
search identity '#include <comity/' | grep -vE '<comity/(core|identity)\.h>' |
  complain "identity stands on core alone"
search fault '#include <comity/' | grep -vE '<comity/(core|fault)\.h>' |
  complain "fault stands on core alone"
search comm '#include <comity/' | grep -vE '<comity/(core|fault|comm)\.h>' |
  complain "comm stands on core and fault alone"
search kernel '#include <comity/' | grep -vE '<comity/(core|kernel)\.h>' |
  complain "kernel stands on core alone"
search "$(except round app)" '#include <comity/(round|comity)\.h>' |
  complain "only app stands above round; the library does not include comity.h"

# "x.h" or "folder/x.h" is looked up as the compiler does: beside the file, then from src.
private_includes() {
  local file line directive header own target
  grep -rnoE '^ *# *include "[^"]+"' src | while IFS=: read -r file line directive; do
    header=${directive#*\"} header=${header%\"} own=$(dirname "$file")
    if [[ -e $own/$header ]]; then target=$own/$header; else target=src/$header; fi
    target=$(realpath -m --relative-to=. "$target")
    [[ $(dirname "$target") == "$own" || $target == src/core/core_impl.h ]] ||
      printf '%s:%s:%s\n' "$file" "$line" "$directive"
  done
}
private_includes | complain "a folder includes no private header but its own and core_impl.h"

# comity.h names the public headers in the order of the data's way; each stands only on those before it.
order=$(sed -nE 's/^#include <comity\/(.*)\.h>.*/\1/p' include/comity/comity.h)
out_of_order() {
  local before=' ' name used
  for name in $order; do
    for used in $(sed -nE 's/^#include <comity\/(.*)\.h>.*/\1/p' "include/comity/$name.h"); do
      [[ $before == *" $used "* ]] || echo "include/comity/$name.h: includes comity/$used.h"
    done
    before+="$name "
  done
  for header in include/comity/*.h; do
    name=$(basename "$header" .h)
    [[ $name == comity || $before == *" $name "* ]] || echo "$header: is not in comity.h"
  done
}
out_of_order | complain "public headers include only those that stand before them in comity.h"

# The public headers that include comm.h, directly or through others: their order makes one pass enough.
speaking='comm'
for header in $order; do
  grep -qE "^#include <comity/($speaking)\.h>" "include/comity/$header.h" && speaking+="|$header"
done
search "$mpi_free" "#include <comity/($speaking)\.h>" |
  complain "what knows nothing of MPI never reaches comm.h"
public_of_mpi_free() {
  local name
  for name in $mpi_free; do
    [[ "|$speaking|" != *"|$name|"* ]] || echo "include/comity/$name.h: reaches comm.h"
  done
}
public_of_mpi_free | complain "what knows nothing of MPI never reaches comm.h"

find src -name '*.[ch]' -printf '%f\n' | sort | uniq -d | while read -r same; do find src -name "$same"; done |
  complain "names of source files are unique in src"

# One function is told to end the process, and scheduled faults are; they are not searched.
awk 'FNR == 1 { inside = 0 } /^void comity_assert_failed\(/ { inside = 1 } !inside { print FILENAME ":" FNR ":" $0 }
  /^}/ { inside = 0 }' $(find src -name '*.[ch]' -not -path 'src/app/*' -not -path src/fault/fault_strike.c) >library
grep -E "${word}(printf|vprintf|puts|putchar|perror|psignal|stdout|stderr)([^A-Za-z0-9_]|$)" library |
  complain "the library does not print"
grep -E "${word}(exit|_exit|_Exit|quick_exit|abort|raise|kill|assert) *\(" library |
  complain "the library does not end the process"
grep -E "${word}(rand|srand|random|drand48|rand_r|arc4random) *\(" library |
  complain "random numbers come from comity_random"

[[ ! -e broken ]]
