/* Passes over all parameters. Plain loops that the compiler makes vectors of, with each instruction set's own
 * width; what they compute is the same in all of them, because sums have a fixed order and no multiply
 * and add are fused (this file is compiled with -ffp-contract=off). */
#include "isa.h"

#include <math.h>
#include <string.h>

/* Without their sign, floats order like their bits, infinities and NaN on top: an integer maximum, which
 * becomes vectors where a test with a way out would not. */
static float largest(const float *values, size_t count) {
  int32_t most = 0;
  for (size_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    bits &= INT32_MAX;
    most = bits > most ? bits : most;
  }
  float found;
  memcpy(&found, &most, sizeof found);
  return found;
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

static bool is_small(float value, double scale) { return (double)value * fabs(scale) < 0x1p51; }

static void fold(const float *values, size_t count, double scale, float bound, uint64_t *words) {
  if (is_small(bound, scale) || is_small(largest(values, count), scale))
    fold_small(values, count, scale, words);
  else
    for (size_t i = 0; i < count; i++)
      words[i] += (uint64_t)(int64_t)rint((double)values[i] * scale);
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

static void unfold(const uint64_t *words, size_t count, double scale, float *values) {
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(to_double(words[i]) * scale);
}

static void add(const float *values, size_t count, double factor, float *sums) {
  for (size_t i = 0; i < count; i++)
    sums[i] = (float)(sums[i] + factor * values[i]);
}

static double squares(const float *values, size_t count) {
  double part[32] = {0.0}, sum = 0.0;
  size_t i = 0;
  for (; i + 32 <= count; i += 32)
    for (size_t k = 0; k < 32; k++)
      part[k] += (double)values[i + k] * (double)values[i + k];
  for (size_t k = 0; i < count; i++, k++)
    part[k] += (double)values[i] * (double)values[i];
  for (size_t k = 0; k < 32; k++)
    sum += part[k];
  return sum;
}

static void sgd(const comity_sgd *sgd, size_t count, const float *restrict gradient, float *restrict velocity,
                float *restrict model) {
  float rate = sgd->rate, momentum = sgd->momentum, factor = sgd->factor, decay = sgd->decay;
  if (velocity == NULL)
    for (size_t i = 0; i < count; i++)
      model[i] -= rate * (factor * gradient[i] + decay * model[i]);
  else if (sgd->nesterov)
    for (size_t i = 0; i < count; i++) {
      float g = factor * gradient[i] + decay * model[i];
      velocity[i] = momentum * velocity[i] + g;
      model[i] -= rate * (g + momentum * velocity[i]);
    }
  else
    for (size_t i = 0; i < count; i++) {
      velocity[i] = momentum * velocity[i] + (factor * gradient[i] + decay * model[i]);
      model[i] -= rate * velocity[i];
    }
}

const comity_passes COMITY_ISA(comity_passes) = {
    .isa = COMITY_ISA_THIS,
    .largest = largest,
    .fold = fold,
    .unfold = unfold,
    .add = add,
    .squares = squares,
    .sgd = sgd,
};
