/* The exact sum: 64-bit fixed point, modulo 2^64. The same bits on any number of ranks, in any order. */
#include "aggregate_impl.h"

static size_t check(const float *values, size_t count, double weight, double part, float bound) {
  return comity_fixed_check(values, count, weight, part * COMITY_FIXED_RANGE, bound);
}

static void add(void *sums, const float *values, size_t count, double weight, float bound) {
  comity_fixed_fold(values, count, weight, bound, sums);
}

static void merge(void *sums, const void *more, size_t count) {
  uint64_t *restrict words = sums;
  const uint64_t *restrict others = more;
  for (size_t i = 0; i < count; i++)
    words[i] += others[i];
}

/* The counters are words like the others and travel with them. */
static comity_status sum(comity_comm *comm, uint64_t *head, size_t count, const comity_summing *how) {
  comity_summing behind = *how;
  behind.head = COMITY_AGGREGATE_HEAD;
  return comity_comm_sum_by(comm, head, COMITY_AGGREGATE_HEAD + count, &behind);
}

static void read(const void *sums, size_t count, double factor, float *values) {
  comity_fixed_read(sums, count, factor, values);
}

const comity_aggregator comity_aggregator_exact = {
    .name = "exact",
    .summary = "64-bit fixed point: the same bits on any number of ranks, in any order of arrival",
    .word_bytes = sizeof(uint64_t),
    .finite = true, /* below 2^23 times a factor below 2^54 */
    .check = check,
    .add = add,
    .merge = merge,
    .sum = sum,
    .read = read,
};
