/* Fixed point: floats as whole multiples of 2^-40 in 64-bit words, which add up to the same sum in any order.
 */
#include "aggregate_impl.h"

#include <comity/kernel.h>
#include <math.h>

static const double UNIT = 0x1p40; /* 2^COMITY_FIXED_BITS */

static bool fits(float value, double scale, double limit) {
  return isfinite(value) && fabs((double)value * scale) <= limit;
}

size_t comity_fixed_check(const float *values, size_t count, double weight, double limit, float bound) {
  double scale = weight * UNIT;
  if (fits(bound, scale, limit))
    return count;
  size_t good = 0;
  while (good < count && fits(values[good], scale, limit))
    good++;
  return good;
}

void comity_fixed_fold(const float *values, size_t count, double weight, float bound, uint64_t *words) {
  comity_passes_best()->fold(values, count, weight * UNIT, bound, words);
}

comity_status comity_fixed_add(const float *values, size_t count, double weight, double limit,
                               uint64_t *words) {
  float largest = comity_passes_best()->largest(values, count);
  size_t good = comity_fixed_check(values, count, weight, limit, largest);
  COMITY_REQUIRE(good == count, COMITY_ERR_NUMERIC, "value %zu is %g, which is %s", good,
                 (double)values[good], isfinite(values[good]) ? "too large for the exact sum" : "not finite");
  comity_fixed_fold(values, count, weight, largest, words);
  return COMITY_OK;
}

void comity_fixed_read(const uint64_t *words, size_t count, double factor, float *values) {
  comity_passes_best()->unfold(words, count, factor / UNIT, values);
}

uint64_t comity_fixed_from(double value) {
  double scaled = rint(value * UNIT);
  if (scaled <= -COMITY_FIXED_RANGE)
    return (uint64_t)(int64_t)-COMITY_FIXED_RANGE;
  return (uint64_t)(int64_t)(scaled < COMITY_FIXED_RANGE ? scaled : COMITY_FIXED_RANGE);
}

double comity_fixed_to(uint64_t word) { return (double)(int64_t)word / UNIT; }
