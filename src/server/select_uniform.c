/* A uniformly random set of clients, without replacement: every set of that size has the same chance. */
#include "server_impl.h"

/* Knuth, The Art of Computer Programming 2, algorithm S: in ascending order, each with the chance
 * (still wanted) / (still to come). */
static size_t walk(comity_random *random, size_t clients, size_t want, uint32_t *cohort) {
  size_t taken = 0;
  for (size_t id = 0; taken < want; id++)
    if (comity_random_below(random, clients - id) < want - taken)
      cohort[taken++] = (uint32_t)id;
  return taken;
}

/* Draw ids with replacement and draw again for those that were double, until there are enough: takes no
 * notice of which id is which, so all sets are equally likely, and costs nothing for those who are not drawn.
 */
static size_t draw(comity_random *random, size_t clients, size_t want, uint32_t *cohort) {
  size_t distinct = 0;
  while (distinct < want) {
    for (size_t i = distinct; i < want; i++)
      cohort[i] = (uint32_t)comity_random_below(random, clients);
    comity_ids_sort(cohort, want);
    distinct = 1;
    for (size_t i = 1; i < want; i++)
      if (cohort[i] != cohort[distinct - 1])
        cohort[distinct++] = cohort[i];
  }
  return distinct;
}

static size_t select_uniform(uint64_t seed, size_t round, const uint64_t *examples, size_t clients,
                             size_t want, uint32_t *cohort) {
  (void)examples;
  comity_random random;
  comity_random_open(&random, seed, COMITY_RANDOM_SELECT, round, 0, 0);
  return want > clients / 4 ? walk(&random, clients, want, cohort) : draw(&random, clients, want, cohort);
}

const comity_selector comity_select_uniform = {
    .name = "uniform", .summary = "uniformly at random, without replacement", .select = select_uniform};
