/* Clients in turn: each round continues where the one before stopped. */
#include "server_impl.h"

static size_t select_round_robin(uint64_t seed, size_t round, const uint64_t *examples, size_t clients,
                                 size_t want, uint32_t *cohort) {
  (void)seed, (void)examples;
  uint64_t past = round > 0 ? (round - 1) % clients : 0; /* the pattern repeats after `clients` rounds */
  uint64_t first = past * want % clients;
  for (size_t i = 0; i < want; i++)
    cohort[i] = (uint32_t)((first + i) % clients);
  comity_ids_sort(cohort, want);
  return want;
}

const comity_selector comity_select_round_robin = {
    .name = "round_robin", .summary = "in turn, by id", .select = select_round_robin};
