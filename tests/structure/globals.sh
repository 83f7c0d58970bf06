#!/usr/bin/env bash
# globals.sh LIBRARY.a: the library has no writable memory of its own but the calling thread's error record.
set -euo pipefail
# A line of objdump -t: address, 7 flags, section, size, name. What the loader fills in and then protects (.data.rel.ro) is
# constant; lines for the sections themselves carry the section's name.
found=$(objdump -t "$1" | awk '
  / *file format/ { file = $1; sub(/:$/, "", file) }
  /^[0-9a-f]+ ....... / {
    split(substr($0, index($0, " ") + 9), part)
    section = part[1]
    if (section ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && section !~ /^\.data\.rel\.ro/ && $NF !~ /^\./)
      print file " " $NF
  }')
grep -q '^status\.c\.o message$' <<<"$found" || { echo "the error record is not where it is looked for: $found"; exit 1; }
others=$(grep -v '^status\.c\.o message$' <<<"$found" || true)
[[ -z $others ]] || { echo "writable globals in the library:"; echo "$others"; exit 1; }
