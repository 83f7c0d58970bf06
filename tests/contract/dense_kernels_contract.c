/* What every dense kernel promises, for each instruction set that this processor has: the products of
 * arithmetic in double up to rounding, for any shape and any alignment, nothing written beside the result,
 * and NaN and infinities passed on. */
#include "test.h"

#include "kernel/kernel_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { GUARD = 32 };
static const float MARK = -12345.0F;

/* Memory for one shape. Every matrix starts `shift` floats after an aligned address, and is followed by marks.
 */
typedef struct dense_bench {
  comity_dense_shape shape;
  float *memory;
  float *x, *weight, *bias, *y, *dy, *dx, *weight_sink, *bias_sink;
} dense_bench;

static float *take(float **at, size_t count, size_t shift) {
  float *piece = *at + shift;
  for (size_t i = 0; i < GUARD; i++)
    piece[count + i] = MARK;
  *at += (count + shift + 2 * GUARD - 1) / GUARD * GUARD;
  return piece;
}

static void fill(float *values, size_t count, uint64_t seed) {
  comity_random random;
  comity_random_open(&random, seed, COMITY_RANDOM_TEST, 0, 0, 0);
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(2.0 * comity_random_uniform(&random) - 1.0);
}

static void bench_open(dense_bench *bench, comity_dense_shape shape, size_t shift) {
  size_t xs = shape.rows * shape.width, ys = shape.rows * shape.units, ws = shape.units * shape.width;
  bench->shape = shape;
  bench->memory = comity_array(2 * (xs + ys + ws + shape.units) + 8 * (2 * GUARD + shift), sizeof(float));
  assert_non_null(bench->memory);
  float *at = bench->memory;
  bench->x = take(&at, xs, shift);
  bench->weight = take(&at, ws, shift);
  bench->bias = take(&at, shape.units, shift);
  bench->y = take(&at, ys, shift);
  bench->dy = take(&at, ys, shift);
  bench->dx = take(&at, xs, shift);
  bench->weight_sink = take(&at, ws, shift);
  bench->bias_sink = take(&at, shape.units, shift);
  fill(bench->x, xs, 1);
  fill(bench->weight, ws, 2);
  fill(bench->bias, shape.units, 3);
  fill(bench->dy, ys, 4);
}

static void bench_close(dense_bench *bench) { comity_free(bench->memory); }

/* A sum of products and the sum of their magnitudes, which bounds the rounding error of any order of sums. */
typedef struct exact_sum {
  double value, magnitude;
  size_t terms;
} exact_sum;

static void add(exact_sum *sum, double a, double b) {
  sum->value += a * b;
  sum->magnitude += fabs(a * b);
  sum->terms++;
}

/* Higham 2002, section 3.1: |error| <= n u / (1 - n u) sum |a b|; two roundings more for scale and keep. */
static void check(const char *what, const comity_dense_kernel *kernel, const dense_bench *bench, float found,
                  exact_sum expected) {
  double bound = 1.01 * (double)(expected.terms + 2) * (FLT_EPSILON / 2) * expected.magnitude;
  if (!(fabs((double)found - expected.value) <= bound))
    fail_msg("%s of %s %s, %zu rows, width %zu, %zu units: %.9g instead of %.9g", what, kernel->name,
             comity_isa_name(kernel->isa), bench->shape.rows, bench->shape.width, bench->shape.units,
             (double)found, expected.value);
}

static void check_marks(const float *piece, size_t count) {
  for (size_t i = 0; i < GUARD; i++)
    assert_true(piece[count + i] == MARK);
}

static void check_forward(const comity_dense_kernel *kernel, dense_bench *bench) {
  comity_dense_shape s = bench->shape;
  memset(bench->y, 0xff, s.rows * s.units * sizeof(float)); /* NaN */
  kernel->forward(&s, bench->x, bench->weight, bench->bias, bench->y);
  for (size_t i = 0; i < s.rows; i++)
    for (size_t j = 0; j < s.units; j++) {
      exact_sum sum = {0};
      add(&sum, (double)bench->bias[j], 1.0);
      for (size_t k = 0; k < s.width; k++)
        add(&sum, (double)bench->x[i * s.width + k], (double)bench->weight[j * s.width + k]);
      check("forward", kernel, bench, bench->y[i * s.units + j], sum);
    }
  check_marks(bench->y, s.rows * s.units);
}

static void check_data(const comity_dense_kernel *kernel, dense_bench *bench) {
  comity_dense_shape s = bench->shape;
  memset(bench->dx, 0xff, s.rows * s.width * sizeof(float));
  kernel->data(&s, bench->dy, bench->weight, bench->dx);
  for (size_t i = 0; i < s.rows; i++)
    for (size_t k = 0; k < s.width; k++) {
      exact_sum sum = {0};
      for (size_t j = 0; j < s.units; j++)
        add(&sum, (double)bench->dy[i * s.units + j], (double)bench->weight[j * s.width + k]);
      check("data", kernel, bench, bench->dx[i * s.width + k], sum);
    }
  check_marks(bench->dx, s.rows * s.width);
}

/* With keep 0, what was in the sinks must not matter, not even NaN. */
static void check_update(const comity_dense_kernel *kernel, dense_bench *bench, float keep, float scale) {
  comity_dense_shape s = bench->shape;
  for (size_t i = 0; i < s.units * s.width; i++)
    bench->weight_sink[i] = keep == 0.0F ? NAN : bench->weight[i];
  for (size_t j = 0; j < s.units; j++)
    bench->bias_sink[j] = keep == 0.0F ? NAN : bench->bias[j];
  kernel->update(&s, bench->dy, bench->x, keep, scale, bench->weight_sink, bench->bias_sink);
  for (size_t j = 0; j < s.units; j++) {
    exact_sum bias = {0};
    add(&bias, (double)keep, (double)bench->bias[j]);
    for (size_t i = 0; i < s.rows; i++)
      add(&bias, (double)scale, (double)bench->dy[i * s.units + j]);
    check("bias update", kernel, bench, bench->bias_sink[j], bias);
    for (size_t k = 0; k < s.width; k++) {
      exact_sum sum = {0};
      add(&sum, (double)keep, (double)bench->weight[j * s.width + k]);
      for (size_t i = 0; i < s.rows; i++)
        add(&sum, (double)scale * (double)bench->dy[i * s.units + j], (double)bench->x[i * s.width + k]);
      check("update", kernel, bench, bench->weight_sink[j * s.width + k], sum);
    }
  }
  check_marks(bench->weight_sink, s.units * s.width);
  check_marks(bench->bias_sink, s.units);
}

/* Every kernel that this processor runs and that takes the shape. */
static bool takes(const comity_dense_kernel *kernel, const comity_dense_shape *shape) {
  return kernel->isa <= comity_isa_best() && (kernel->fits == NULL || kernel->fits(shape));
}

static void check_all(comity_dense_shape shape, size_t shift) {
  dense_bench bench;
  bench_open(&bench, shape, shift);
  for (size_t i = 0; i < comity_dense_kernel_count; i++) {
    const comity_dense_kernel *kernel = comity_dense_kernels[i];
    if (!takes(kernel, &shape))
      continue;
    check_forward(kernel, &bench);
    check_data(kernel, &bench);
    check_update(kernel, &bench, 1.0F, -0.1F);
    check_update(kernel, &bench, 0.0F, 1.0F);
    check_update(kernel, &bench, 0.96875F, -0.25F);
  }
  bench_close(&bench);
}

static void products_are_those_of_arithmetic_for_small_shapes(void **state) {
  (void)state;
  for (size_t rows = 1; rows <= 33; rows += rows < 11 ? 1 : 11)
    for (size_t width = 1; width <= 100; width += width < 20 ? 3 : 20)
      for (size_t units = 1; units <= 70; units += units < 18 ? 1 : 13)
        check_all((comity_dense_shape){.rows = rows, .width = width, .units = units},
                  (rows + width + units) % 17);
}

static void products_are_those_of_arithmetic_for_shapes_of_models(void **state) {
  (void)state;
  static const comity_dense_shape shapes[] = {
      {.rows = 10, .width = 784, .units = 200}, {.rows = 50, .width = 784, .units = 200},
      {.rows = 10, .width = 200, .units = 200}, {.rows = 50, .width = 200, .units = 10},
      {.rows = 10, .width = 60, .units = 10},   {.rows = 7, .width = 3136, .units = 13},
      {.rows = 250, .width = 61, .units = 10},  {.rows = 101, .width = 150, .units = 97},
      {.rows = 3, .width = 5000, .units = 2}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    for (size_t shift = 0; shift < 16; shift += 5)
      check_all(shapes[i], shift);
}

static void not_finite_is_passed_on(void **state) {
  (void)state;
  comity_dense_shape shape = {.rows = 7, .width = 37, .units = 9};
  dense_bench bench;
  bench_open(&bench, shape, 1);
  static const float odd[] = {NAN, INFINITY};
  for (size_t i = 0; i < 2 * comity_dense_kernel_count; i++) {
    const comity_dense_kernel *kernel = comity_dense_kernels[i / 2];
    if (!takes(kernel, &shape))
      continue;
    for (size_t at = 0; at < shape.width; at += 6) {
      float x = bench.x[3 * shape.width + at], dy = bench.dy[3 * shape.units + 5];
      bench.x[3 * shape.width + at] = odd[i % 2];
      kernel->forward(&shape, bench.x, bench.weight, bench.bias, bench.y);
      for (size_t k = 0; k < shape.rows * shape.units; k++)
        assert_true((isfinite(bench.y[k]) != 0) == (k / shape.units != 3));
      memset(bench.weight_sink, 0, shape.units * shape.width * sizeof(float));
      kernel->update(&shape, bench.dy, bench.x, 1.0F, 1.0F, bench.weight_sink, bench.bias_sink);
      for (size_t k = 0; k < shape.units * shape.width; k++)
        assert_true((isfinite(bench.weight_sink[k]) != 0) == (k % shape.width != at));
      bench.x[3 * shape.width + at] = x;

      bench.dy[3 * shape.units + 5] = odd[i % 2];
      kernel->data(&shape, bench.dy, bench.weight, bench.dx);
      for (size_t k = 0; k < shape.rows * shape.width; k++)
        assert_true((isfinite(bench.dx[k]) != 0) == (k / shape.width != 3));
      bench.dy[3 * shape.units + 5] = dy;
    }
  }
  bench_close(&bench);
}

static void a_forced_kernel_is_taken_or_leaves_it_to_openblas(void **state) {
  (void)state;
  static const char *const names[] = {"auto", "openblas", "native", "onednn"};
  comity_dense_shape shape = {.rows = 10, .width = 60, .units = 10};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    comity_kernels kernels;
    if (comity_kernels_read(names[i], &kernels) != COMITY_OK) {
      assert_string_equal(names[i], "onednn"); /* the only one that a build may lack */
      assert_non_null(strstr(comity_error_message(), "no onednn"));
      continue;
    }
    const comity_dense_kernel *kernel = comity_dense_choose(&shape, kernels);
    assert_true(kernel->isa <= comity_isa_best());
    assert_true(kernels == COMITY_KERNELS_AUTO || strcmp(kernel->name, names[i]) == 0);
    assert_ptr_equal(kernel, comity_dense_choose(&shape, kernels));
  }
  comity_kernels none;
  assert_int_equal(comity_kernels_read("mkl", &none), COMITY_ERR_CONFIG);
}

static void own_code_uses_the_largest_instruction_set(void **state) {
  (void)state;
  comity_dense_shape shape = {.rows = 10, .width = 60, .units = 10};
  assert_int_equal(comity_dense_choose(&shape, COMITY_KERNELS_NATIVE)->isa, comity_isa_best());
}

static void the_text_names_what_decides_about_bits(void **state) {
  (void)state;
  char text[COMITY_KERNELS_TEXT];
  assert_ptr_equal(comity_kernels_text(text), text);
  assert_non_null(strstr(text, comity_isa_name(comity_isa_best())));
  assert_non_null(strstr(text, "OpenBLAS 0."));
  assert_non_null(strstr(text, "by gcc ") == NULL ? strstr(text, "lang ") : text);
  assert_true(comity_kernels_fingerprint() == comity_kernels_fingerprint());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_are_those_of_arithmetic_for_small_shapes),
      cmocka_unit_test(products_are_those_of_arithmetic_for_shapes_of_models),
      cmocka_unit_test(not_finite_is_passed_on),
      cmocka_unit_test(a_forced_kernel_is_taken_or_leaves_it_to_openblas),
      cmocka_unit_test(own_code_uses_the_largest_instruction_set),
      cmocka_unit_test(the_text_names_what_decides_about_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
