/* The plain float sum: half the bytes, but its last bits depend on the number of ranks and the order. */
#include "aggregate_impl.h"

#include <float.h>
#include <math.h>

/* Half of what a float holds, as the exact sum leaves half of a word, so that rounding cannot overflow. */
static size_t check(const float *values, size_t count, double weight, double part, float bound) {
  double limit = part * (FLT_MAX / 2.0);
  if (isfinite(bound) && fabs(bound * weight) <= limit)
    return count;
  size_t good = 0;
  while (good < count && isfinite(values[good]) && fabs(values[good] * weight) <= limit)
    good++;
  return good;
}

static void add(void *sums, const float *values, size_t count, double weight, float bound) {
  (void)bound;
  float *totals = sums;
  for (size_t i = 0; i < count; i++)
    totals[i] += (float)(values[i] * weight);
}

static void merge(void *sums, const void *more, size_t count) {
  float *restrict totals = sums;
  const float *restrict others = more;
  for (size_t i = 0; i < count; i++)
    totals[i] += others[i];
}

static comity_status sum(comity_comm *comm, uint64_t *head, size_t count, const comity_summing *how) {
  COMITY_TRY(comity_comm_sum(comm, head, COMITY_AGGREGATE_HEAD));
  return comity_comm_sum_float_by(comm, NULL, count, how);
}

static void read(const void *sums, size_t count, double factor, float *values) {
  const float *totals = sums;
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(totals[i] * factor);
}

const comity_aggregator comity_aggregator_float32 = {
    .name = "float32",
    .summary = "plain floats: half the bytes, but the last bits depend on the number of ranks",
    .word_bytes = sizeof(float),
    .check = check,
    .add = add,
    .merge = merge,
    .sum = sum,
    .read = read,
};
