/* Random clients without replacement, with chances in proportion to their train examples: every client i gets
 * the key log(u_i) / n_i, and the largest keys win.
 * Source: Efraimidis, Spirakis, Weighted random sampling with a reservoir, 2006. */
#include "server_impl.h"

#include <math.h>

typedef struct lottery {
  uint64_t seed;
  size_t round;
  const uint64_t *examples;
} lottery;

/* Random numbers are a function of their key, so a client's key is computed again instead of stored. */
static double ticket(const lottery *draw, uint32_t id) {
  comity_random random;
  comity_random_open(&random, draw->seed, COMITY_RANDOM_SELECT, draw->round, (uint64_t)id + 1, 0);
  return log(1.0 - comity_random_uniform(&random)) / (double)draw->examples[id];
}

/* Whether a's ticket is worth less than b's; ids make the order total. */
static bool below(const lottery *draw, uint32_t a, uint32_t b) {
  double first = ticket(draw, a), second = ticket(draw, b);
  return first < second || (first == second && a > b);
}

/* A heap with the least ticket at the top. */
static void sink(const lottery *draw, uint32_t *heap, size_t root, size_t count) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && below(draw, heap[child + 1], heap[child]))
      child++;
    if (!below(draw, heap[child], heap[root]))
      return;
    uint32_t id = heap[root];
    heap[root] = heap[child];
    heap[child] = id;
  }
}

static size_t select_weighted(uint64_t seed, size_t round, const uint64_t *examples, size_t clients,
                              size_t want, uint32_t *cohort) {
  lottery draw = {seed, round, examples};
  size_t taken = 0, id = 0;
  for (; id < clients && taken < want; id++)
    if (examples[id] > 0)
      cohort[taken++] = (uint32_t)id;
  for (size_t i = taken / 2; i > 0; i--)
    sink(&draw, cohort, i - 1, taken);
  double least = taken > 0 ? ticket(&draw, cohort[0]) : 0.0;
  for (; id < clients; id++)
    if (examples[id] > 0 && ticket(&draw, (uint32_t)id) > least) {
      cohort[0] = (uint32_t)id;
      sink(&draw, cohort, 0, taken);
      least = ticket(&draw, cohort[0]);
    }
  comity_ids_sort(cohort, taken);
  return taken;
}

const comity_selector comity_select_weighted = {
    .name = "weighted",
    .summary = "at random without replacement, with chances by train examples",
    .select = select_weighted};
