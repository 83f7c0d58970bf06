/* Counter-based random numbers: Philox4x64-10 from the Random123 library, keyed by what the numbers are for.
 */
#include <comity/core.h>

#include <Random123/philox.h>
#include <math.h>

void comity_random_open(comity_random *random, uint64_t seed, comity_purpose purpose, uint64_t a, uint64_t b,
                        uint64_t c) {
  *random = (comity_random){.key = {seed, (uint64_t)purpose}, .counter = {0, a, b, c}};
}

uint64_t comity_random_bits(comity_random *random) {
  if (random->left == 0) {
    philox4x64_ctr_t counter = {
        {random->counter[0], random->counter[1], random->counter[2], random->counter[3]}};
    philox4x64_key_t key = {{random->key[0], random->key[1]}};
    philox4x64_ctr_t block = philox4x64(counter, key);
    for (int i = 0; i < 4; i++)
      random->block[i] = block.v[i];
    random->counter[0]++;
    random->left = 4;
  }
  return random->block[4 - random->left--];
}

double comity_random_uniform(comity_random *random) {
  return (double)(comity_random_bits(random) >> 11) * 0x1p-53;
}

uint64_t comity_random_below(comity_random *random, uint64_t bound) {
  /* Lemire 2019: the high word of a 64x64 product; the rare low words that would bias it are drawn again. */
  unsigned __int128 product = (unsigned __int128)comity_random_bits(random) * bound;
  if ((uint64_t)product < bound) {
    uint64_t threshold = -bound % bound;
    while ((uint64_t)product < threshold)
      product = (unsigned __int128)comity_random_bits(random) * bound;
  }
  return (uint64_t)(product >> 64);
}

double comity_random_normal(comity_random *random) {
  if (random->has_spare) {
    random->has_spare = false;
    return random->spare_normal;
  }
  double radius = sqrt(-2.0 * log(1.0 - comity_random_uniform(random)));
  double angle = 2.0 * 3.14159265358979323846 * comity_random_uniform(random);
  random->spare_normal = radius * sin(angle);
  random->has_spare = true;
  return radius * cos(angle);
}

/* Marsaglia and Tsang 2000, for shape >= 1. */
static double gamma_from_one(comity_random *random, double shape) {
  double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
  for (;;) {
    double x = comity_random_normal(random), v = 1.0 + c * x;
    if (v <= 0.0)
      continue;
    v = v * v * v;
    double u = 1.0 - comity_random_uniform(random);
    if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
      return d * v;
  }
}

double comity_random_log_gamma(comity_random *random, double shape) {
  if (shape >= 1.0)
    return log(gamma_from_one(random, shape));
  double log_boost = log(1.0 - comity_random_uniform(random)) / shape; /* U^(1/shape) */
  return log(gamma_from_one(random, shape + 1.0)) + log_boost;
}

double comity_random_gamma(comity_random *random, double shape) {
  return exp(comity_random_log_gamma(random, shape));
}

void comity_random_shuffle(comity_random *random, uint32_t *items, size_t count) {
  for (size_t i = count; i > 1; i--) {
    size_t j = comity_random_below(random, i);
    uint32_t item = items[i - 1];
    items[i - 1] = items[j];
    items[j] = item;
  }
}
