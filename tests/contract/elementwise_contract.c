/* What elementwise code promises, for each instruction set that this processor has. */
#include "test.h"

#include <comity/kernel.h>

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST = 300, GUARD = 32 };
static const float MARK = -12345.0F;

/* The next table that this processor can run, from *at on; NULL at the end. */
static const comity_elementwise *next(int *at) {
  const comity_elementwise *table = NULL;
  while (table == NULL && *at <= COMITY_ISA_AVX512)
    table = comity_elementwise_of((comity_isa)(*at)++);
  return table;
}

static void fill(float *values, size_t count, double scale) {
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_TEST, count, 0, 0);
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(scale * (2.0 * comity_random_uniform(&random) - 1.0));
}

static void mark(float *values) {
  for (size_t i = 0; i < MOST + GUARD; i++)
    values[i] = MARK;
}

static void pixels_are_scaled_in_double(void **state) {
  (void)state;
  uint8_t from[MOST];
  float to[MOST + GUARD];
  for (size_t i = 0; i < MOST; i++)
    from[i] = (uint8_t)(7 * i + i / 256);
  int at = 0;
  for (const comity_elementwise *table; (table = next(&at)) != NULL;)
    for (size_t count = 0; count + 3 < MOST; count += count < 70 ? 1 : 37) {
      mark(to);
      table->from_bytes(from + count % 3, count, 1.0 / 255.0, to + 1);
      for (size_t i = 0; i < count; i++)
        assert_true(to[i + 1] == (float)((double)from[i + count % 3] * (1.0 / 255.0)));
      assert_true(to[0] == MARK && to[count + 1] == MARK);
    }
}

static void relu_passes_what_is_positive_or_nan(void **state) {
  (void)state;
  float x[MOST], y[MOST + GUARD], dy[MOST + GUARD];
  fill(x, MOST, 1.0);
  x[3] = NAN;
  x[40] = 0.0F;
  x[41] = INFINITY;
  x[42] = -INFINITY;
  int at = 0;
  for (const comity_elementwise *table; (table = next(&at)) != NULL;)
    for (size_t count = 0; count <= MOST; count += count < 70 ? 1 : 23) {
      mark(y);
      mark(dy);
      table->relu(x, count, y);
      memcpy(dy, x, count * sizeof *dy);
      table->relu_back(y, count, dy);
      for (size_t i = 0; i < count; i++) {
        assert_true(isnan(x[i]) ? isnan(y[i]) : y[i] == fmaxf(x[i], 0.0F));
        assert_true(dy[i] == (x[i] > 0.0F ? x[i] : 0.0F));
      }
      assert_true(y[count] == MARK && dy[count] == MARK);
    }
}

/* Against the definition in double. An exponential is wrong by 2 units in the last place at most, and the
 * difference in its exponent by half a one of the largest logit; what is not normal is 0. */
static void check_cross_entropy(const comity_elementwise *table, size_t count, size_t width, double scale) {
  float z[MOST], y[MOST], dz[MOST + GUARD];
  fill(z, count * width, scale);
  for (size_t i = 0; i < count; i++)
    y[i] = (float)((i * 5 + 1) % width);
  mark(dz);
  double loss = table->cross_entropy(z, y, count, width, dz), expected = 0.0;
  for (size_t i = 0; i < count; i++) {
    const float *row = z + i * width;
    double top = -INFINITY, sum = 0.0;
    for (size_t j = 0; j < width; j++)
      top = fmax(top, (double)row[j]);
    for (size_t j = 0; j < width; j++)
      sum += exp((double)row[j] - top);
    expected += log(sum) - ((double)row[(size_t)y[i]] - top);
    for (size_t j = 0; j < width; j++) {
      double p = exp((double)row[j] - top) / sum, one = j == (size_t)y[i] ? 1.0 : 0.0;
      double unit = FLT_EPSILON / (double)count, bound = p * (10.0 + (double)width + scale) + one;
      if (!(fabs((double)dz[i * width + j] - (p - one) / (double)count) <= unit * bound + FLT_MIN))
        fail_msg("%s, width %zu, scale %g: %.9g instead of %.9g", comity_isa_name(table->isa), width, scale,
                 (double)dz[i * width + j], (p - one) / (double)count);
    }
  }
  assert_true(fabs(loss - expected) <= (double)count * FLT_EPSILON * (10.0 + (double)width + scale));
  assert_true(dz[count * width] == MARK);
}

static void softmax_and_its_loss_follow_their_definition(void **state) {
  (void)state;
  static const double scales[] = {0.0, 1e-3, 1.0, 10.0, 80.0};
  int at = 0;
  for (const comity_elementwise *table; (table = next(&at)) != NULL;)
    for (size_t width = 1; width <= 75; width++)
      for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        for (size_t count = 1; count * width <= MOST && count <= 30; count += 3)
          check_cross_entropy(table, count, width, scales[i]);
}

/* With a sum of one, what stands at the smaller logit is the exponential itself. */
static void an_exponential_is_wrong_by_two_units_at_most(void **state) {
  (void)state;
  int at = 0;
  for (const comity_elementwise *table; (table = next(&at)) != NULL;) {
    for (float x = -18.0F; x > -87.0F; x -= 0.0037F) {
      float z[2] = {0.0F, x}, y = 0.0F, dz[2];
      (void)table->cross_entropy(z, &y, 1, 2, dz);
      double exact = exp((double)x);
      assert_true(fabs((double)dz[1] - exact) <= 2.0 * FLT_EPSILON * exact);
    }
    float z[3] = {0.0F, -200.0F, -INFINITY}, y = 0.0F, dz[3];
    assert_true(table->cross_entropy(z, &y, 1, 3, dz) == 0.0);
    assert_true(dz[1] == 0.0F && dz[2] == 0.0F);
  }
}

static void the_loss_is_not_finite_when_a_logit_is_not(void **state) {
  (void)state;
  int at = 0;
  for (const comity_elementwise *table; (table = next(&at)) != NULL;)
    for (size_t width = 2; width < 40; width++)
      for (size_t j = 0; j < width; j++) {
        float z[2 * 40] = {0.0F}, y[2] = {0.0F, 1.0F}, dz[2 * 40];
        z[width + j] = NAN;
        assert_true(isnan(table->cross_entropy(z, y, 2, width, dz)));
        z[width + j] = INFINITY;
        assert_false(isfinite(table->cross_entropy(z, y, 2, width, dz)));
        z[width + j] = 0.0F;
        y[0] = j % 2 == 0 ? (float)width : -1.0F;
        assert_true(isnan(table->cross_entropy(z, y, 2, width, dz)));
      }
}

static void this_processor_gets_its_best(void **state) {
  (void)state;
  assert_int_equal(comity_elementwise_best()->isa, comity_isa_best());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pixels_are_scaled_in_double),
      cmocka_unit_test(relu_passes_what_is_positive_or_nan),
      cmocka_unit_test(softmax_and_its_loss_follow_their_definition),
      cmocka_unit_test(an_exponential_is_wrong_by_two_units_at_most),
      cmocka_unit_test(the_loss_is_not_finite_when_a_logit_is_not),
      cmocka_unit_test(this_processor_gets_its_best),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
