/* Everybody takes part in every round. */
#include "server_impl.h"

static size_t select_all(uint64_t seed, size_t round, const uint64_t *examples, size_t clients, size_t want,
                         uint32_t *cohort) {
  (void)seed, (void)round, (void)examples, (void)clients;
  for (size_t i = 0; i < want; i++) /* comity_cohort_size makes this all of them */
    cohort[i] = (uint32_t)i;
  return want;
}

const comity_selector comity_select_all = {
    .name = "all", .summary = "every client in every round", .select = select_all};
