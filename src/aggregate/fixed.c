/* Fixed point: floats as whole multiples of 2^-40 in 64-bit words, which add up to the same sum in any order.
 */
#include "aggregate_impl.h"

#include "core/core_impl.h"

#include <math.h>
#include <string.h>

static const double UNIT = 0x1p40; /* 2^COMITY_FIXED_BITS */

static bool fits(float value, double scale, double limit) {
  return isfinite(value) && fabs((double)value * scale) <= limit;
}

size_t comity_fixed_check(const float *values, size_t count, double weight, double limit) {
  double scale = weight * UNIT;
  if (fits(comity_largest(values, count), scale, limit))
    return count;
  size_t good = 0;
  while (good < count && fits(values[good], scale, limit))
    good++;
  return good;
}

/* Below 2^51, adding 1.5 * 2^52 leaves the nearest integer, ties to even, in the low bits of a double: the
 * hardware's own rounding, and plain adds that vectorise where a conversion to 64-bit integers does not. */
static void fold_small(const float *values, size_t count, double scale, uint64_t *words) {
  const double shift = 0x1.8p52;
  uint64_t shift_bits;
  memcpy(&shift_bits, &shift, sizeof shift_bits);
  for (size_t i = 0; i < count; i++) {
    double shifted = (double)values[i] * scale + shift;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    words[i] += bits - shift_bits;
  }
}

void comity_fixed_fold(const float *values, size_t count, double weight, uint64_t *words) {
  double scale = weight * UNIT;
  if ((double)comity_largest(values, count) * fabs(scale) < 0x1p51)
    fold_small(values, count, scale, words);
  else
    for (size_t i = 0; i < count; i++)
      words[i] += (uint64_t)(int64_t)rint((double)values[i] * scale);
}

comity_status comity_fixed_add(const float *values, size_t count, double weight, double limit,
                               uint64_t *words) {
  size_t good = comity_fixed_check(values, count, weight, limit);
  COMITY_REQUIRE(good == count, COMITY_ERR_NUMERIC, "value %zu is %g, which is %s", good,
                 (double)values[good], isfinite(values[good]) ? "too large for the exact sum" : "not finite");
  comity_fixed_fold(values, count, weight, words);
  return COMITY_OK;
}

/* What (double)(int64_t)word gives, by operations that are vectors everywhere: set into the low bits of 2^52
 * and of 2^84, a word's halves are doubles without rounding (the upper half's sign turned around), and only the
 * last sum rounds. */
static double to_double(uint64_t word) {
  uint64_t low = (word & UINT32_MAX) | 0x4330000000000000, high = word >> 32 ^ 0x4530000080000000;
  double lower, upper;
  memcpy(&lower, &low, sizeof lower);
  memcpy(&upper, &high, sizeof upper);
  return upper - (0x1p84 + 0x1p63 + 0x1p52) + lower;
}

void comity_fixed_read(const uint64_t *words, size_t count, double factor, float *values) {
  double scale = factor / UNIT;
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(to_double(words[i]) * scale);
}

uint64_t comity_fixed_from(double value) {
  double scaled = rint(value * UNIT);
  if (scaled <= -COMITY_FIXED_RANGE)
    return (uint64_t)(int64_t)-COMITY_FIXED_RANGE;
  return (uint64_t)(int64_t)(scaled < COMITY_FIXED_RANGE ? scaled : COMITY_FIXED_RANGE);
}

double comity_fixed_to(uint64_t word) { return (double)(int64_t)word / UNIT; }
