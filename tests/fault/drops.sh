# The absences of a run as a schedule: what such a run is compared with. Sourced.

# drops RUN: a schedule with the same absences as that run had.
drops() {
  awk 'function close_range(client) { printf "%sdrop client %d rounds %d-%d", (some++ ? "," : ""), client, first[client], last[client] }
    {
      round = substr($0, index($0, "\"round\":") + 8) + 0
      at = index($0, "\"absent\":[")
      count = at ? split(substr($0, at), part, /"client":/) : 0
      for (i = 2; i <= count; i++) {
        client = part[i] + 0
        if (client in last && last[client] == round - 1) { last[client] = round; continue }
        if (client in last) close_range(client)
        first[client] = last[client] = round
      }
    }
    END { for (client in last) close_range(client) }' "$1/metrics.jsonl"
}
