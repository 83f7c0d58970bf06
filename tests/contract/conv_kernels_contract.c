/* What every convolution kernel promises, for each instruction set that this processor has: the convolution of
 * arithmetic in double up to rounding, for any shape and any alignment, nothing written beside the result, the
 * same bits for an image whatever lies beside it, and NaN passed on. */
#include "test.h"

#include "kernel/kernel_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { GUARD = 32 };
static const float MARK = -12345.0F;

/* Memory for some images of one shape. Every array starts `shift` floats after an aligned address, and is
 * followed by marks. */
typedef struct conv_bench {
  comity_conv_shape shape;
  size_t count, in, out, weights; /* images; floats of an image, of a result, of all weights */
  float *memory;
  float *x, *weight, *bias, *y, *dy, *dx, *weight_sink, *bias_sink;
  double *exact_y, *exact_dx, *exact_weight, *exact_bias;
} conv_bench;

static void fill(float *values, size_t count, uint64_t seed) {
  comity_random random;
  comity_random_open(&random, seed, COMITY_RANDOM_TEST, 0, 0, 0);
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(2.0 * comity_random_uniform(&random) - 1.0);
}

static comity_conv_shape shape_of(size_t channels, size_t filters, size_t height, size_t width, size_t kernel,
                                  size_t across, size_t stride, size_t padding) {
  comity_conv_shape s = {
      .channels = channels,
      .height = height,
      .width = width,
      .filters = filters,
      .kernel = {kernel, across},
      .stride = {stride, stride},
      .padding = {padding < kernel ? padding : kernel - 1, padding < across ? padding : across - 1}};
  s.rows = (height + 2 * s.padding[0] - kernel) / stride + 1;
  s.columns = (width + 2 * s.padding[1] - across) / stride + 1;
  return s;
}

/* The definition, in double: y, and what dy gives to x, weights and biases. */
static void convolve_exactly(conv_bench *b) {
  const comity_conv_shape *s = &b->shape;
  memset(b->exact_dx, 0, b->count * b->in * sizeof(double));
  memset(b->exact_weight, 0, b->weights * sizeof(double));
  memset(b->exact_bias, 0, s->filters * sizeof(double));
  size_t places = s->rows * s->columns;
  for (size_t at = 0; at < b->count * b->out; at++) {
    size_t n = at / b->out, f = at % b->out / places, i = at % places / s->columns, j = at % s->columns;
    double y = (double)b->bias[f], dy = (double)b->dy[at];
    b->exact_bias[f] += dy;
    for (size_t c = 0; c < s->channels; c++)
      for (size_t k = 0; k < s->kernel[0]; k++)
        for (size_t l = 0; l < s->kernel[1]; l++) {
          size_t row = i * s->stride[0] + k - s->padding[0], column = j * s->stride[1] + l - s->padding[1];
          if (row >= s->height || column >= s->width) /* below zero, too */
            continue;
          size_t pixel = n * b->in + (c * s->height + row) * s->width + column;
          size_t w = ((f * s->channels + c) * s->kernel[0] + k) * s->kernel[1] + l;
          y += (double)b->x[pixel] * (double)b->weight[w];
          b->exact_dx[pixel] += dy * (double)b->weight[w];
          b->exact_weight[w] += dy * (double)b->x[pixel];
        }
    b->exact_y[at] = y;
  }
}

static float *take(float **at, size_t count, size_t shift, uint64_t seed) {
  float *piece = *at + shift;
  fill(piece, count, seed);
  for (size_t i = 0; i < GUARD; i++)
    piece[count + i] = MARK;
  *at += (count + shift + 2 * GUARD - 1) / GUARD * GUARD;
  return piece;
}

static double *doubles(size_t count) {
  double *made = comity_array(count, sizeof(double));
  assert_non_null(made);
  return made;
}

static void bench_open(conv_bench *b, comity_conv_shape s, size_t count, size_t shift) {
  *b = (conv_bench){.shape = s, .count = count};
  b->in = s.channels * s.height * s.width;
  b->out = s.filters * s.rows * s.columns;
  b->weights = s.filters * s.channels * s.kernel[0] * s.kernel[1];
  size_t xs = count * b->in, ys = count * b->out;
  b->memory = comity_array(2 * (xs + ys + b->weights + s.filters) + 8 * (2 * GUARD + shift), sizeof(float));
  assert_non_null(b->memory);
  float *at = b->memory;
  b->x = take(&at, xs, shift, 1);
  b->weight = take(&at, b->weights, shift, 2);
  b->bias = take(&at, s.filters, shift, 3);
  b->y = take(&at, ys, shift, 0);
  b->dy = take(&at, ys, shift, 4);
  b->dx = take(&at, xs, shift, 0);
  b->weight_sink = take(&at, b->weights, shift, 0);
  b->bias_sink = take(&at, s.filters, shift, 0);
  b->exact_y = doubles(ys);
  b->exact_dx = doubles(xs);
  b->exact_weight = doubles(b->weights);
  b->exact_bias = doubles(s.filters);
  convolve_exactly(b);
}

static void bench_close(conv_bench *b) {
  comity_free(b->memory);
  comity_free(b->exact_y);
  comity_free(b->exact_dx);
  comity_free(b->exact_weight);
  comity_free(b->exact_bias);
}

/* Memory between marks, not a number anywhere: a kernel must write what it reads. */
static float *scratch_for(const comity_conv_kernel *kernel, const comity_conv_shape *shape) {
  size_t count = kernel->scratch(shape);
  float *scratch = comity_array(count + GUARD, sizeof(float));
  assert_non_null(scratch);
  memset(scratch, 0xff, count * sizeof(float));
  for (size_t i = 0; i < GUARD; i++)
    scratch[count + i] = MARK;
  return scratch;
}

static void check_marks(const float *piece, size_t count) {
  for (size_t i = 0; i < GUARD; i++)
    assert_true(piece[count + i] == MARK);
}

/* Rounding errors of `count` numbers against exact ones, relative to the root mean square of these. */
typedef struct rounding {
  double rms, max;
} rounding;

static rounding compare(const float *found, const double *exact, size_t count) {
  double error = 0.0, square = 0.0, max = 0.0;
  for (size_t i = 0; i < count; i++) {
    double e = fabs((double)found[i] - exact[i]);
    error += e * e;
    square += exact[i] * exact[i];
    max = e > max || isnan(e) ? e : max;
  }
  double scale = sqrt(square / (double)count);
  return (rounding){sqrt(error / (double)count) / scale, max / scale};
}

/* The worst of all shapes here is 3e-5 for Winograd's transforms and 3e-6 for the others. */
static void check(const char *what, const comity_conv_kernel *kernel, const conv_bench *b, const float *found,
                  const double *exact, size_t count) {
  rounding r = compare(found, exact, count);
  double bound = strcmp(kernel->method, "winograd") == 0 ? 8e-5 : 8e-6;
  const comity_conv_shape *s = &b->shape;
  if (!(r.max <= bound))
    fail_msg("%s of %s %s, %zu images of %zux%zux%zu, %zu filters of %zux%zu, stride %zu, padding %zu: "
             "an error of %g, rms %g",
             what, kernel->method, comity_isa_name(kernel->isa), b->count, s->channels, s->height, s->width,
             s->filters, s->kernel[0], s->kernel[1], s->stride[0], s->padding[0], r.max, r.rms);
}

static void check_forward(const comity_conv_kernel *kernel, conv_bench *b, float *scratch) {
  memset(b->y, 0xff, b->count * b->out * sizeof(float)); /* NaN */
  kernel->forward(&b->shape, b->count, b->x, b->weight, b->bias, b->y, scratch);
  check("forward", kernel, b, b->y, b->exact_y, b->count * b->out);
  check_marks(b->y, b->count * b->out);
}

/* With keep 0, what was in the sinks must not matter, not even NaN. */
static void check_backward(const comity_conv_kernel *kernel, conv_bench *b, bool data, float keep,
                           float scale, float *scratch) {
  size_t filters = b->shape.filters;
  double *weight = doubles(b->weights), *bias = doubles(filters);
  for (size_t i = 0; i < b->weights; i++) {
    b->weight_sink[i] = keep == 0.0F ? NAN : b->weight[i];
    weight[i] = (double)keep * (double)b->weight[i] + (double)scale * b->exact_weight[i];
  }
  for (size_t i = 0; i < filters; i++) {
    b->bias_sink[i] = keep == 0.0F ? NAN : b->bias[i];
    bias[i] = (double)keep * (double)b->bias[i] + (double)scale * b->exact_bias[i];
  }
  memset(b->dx, 0xff, b->count * b->in * sizeof(float));
  kernel->backward(&b->shape, b->count, b->x, b->dy, b->weight, data ? b->dx : NULL, keep, scale,
                   b->weight_sink, b->bias_sink, scratch);
  if (data)
    check("data", kernel, b, b->dx, b->exact_dx, b->count * b->in);
  check("weights", kernel, b, b->weight_sink, weight, b->weights);
  check("bias", kernel, b, b->bias_sink, bias, filters);
  check_marks(b->dx, b->count * b->in);
  check_marks(b->weight_sink, b->weights);
  check_marks(b->bias_sink, filters);
  comity_free(weight);
  comity_free(bias);
}

/* Every kernel that this processor runs and that takes the shape. */
static bool takes(const comity_conv_kernel *kernel, const comity_conv_shape *shape) {
  return kernel->isa <= comity_isa_best() && (kernel->fits == NULL || kernel->fits(shape));
}

static void check_all(comity_conv_shape shape, size_t count, size_t shift) {
  conv_bench b;
  bench_open(&b, shape, count, shift);
  for (size_t i = 0; i < comity_conv_kernel_count; i++) {
    const comity_conv_kernel *kernel = comity_conv_kernels[i];
    if (!takes(kernel, &shape))
      continue;
    float *scratch = scratch_for(kernel, &shape);
    check_forward(kernel, &b, scratch);
    check_backward(kernel, &b, true, 0.0F, 1.0F, scratch);
    check_backward(kernel, &b, false, 1.0F, -0.125F, scratch);
    check_backward(kernel, &b, true, 0.96875F, -0.25F, scratch);
    check_marks(scratch, kernel->scratch(&shape));
    comity_free(scratch);
  }
  bench_close(&b);
}

static void convolutions_are_those_of_arithmetic_for_small_shapes(void **state) {
  (void)state;
  size_t number = 0;
  for (size_t kernel = 1; kernel <= 7; kernel++)
    for (size_t padding = 0; padding < kernel; padding += 1 + padding)
      for (size_t height = kernel; height <= 19; height += 3)
        for (size_t stride = 1; stride <= 2; stride++, number++)
          check_all(shape_of(1 + number * 5 % 35, 1 + number * 3 % 35, height, 7 + number % 29, kernel,
                             number % 4 == 3 ? kernel % 7 + 1 : kernel, stride, padding),
                    1 + number % 3, number % 17);
}

static void convolutions_are_those_of_arithmetic_for_shapes_of_models(void **state) {
  (void)state;
  static const size_t shapes[][6] = {/* channels, filters, height, width, kernel, padding */
                                     {1, 32, 28, 28, 5, 2}, {32, 64, 14, 14, 5, 2}, {3, 16, 32, 32, 3, 1},
                                     {64, 64, 8, 8, 3, 1},  {16, 33, 40, 65, 3, 1}, {5, 6, 70, 130, 5, 0},
                                     {17, 20, 3, 3, 3, 1},  {6, 16, 12, 12, 5, 0},  {48, 7, 5, 5, 5, 4}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    const size_t *s = shapes[i];
    check_all(shape_of(s[0], s[1], s[2], s[3], s[4], s[4], 1, s[5]), i == 0 || s[2] < 10 ? 9 : 2, i);
  }
}

/* One image alone, and the same one last of several: all kernels work through chunks of images. */
static void an_image_does_not_depend_on_its_neighbours(void **state) {
  (void)state;
  static const size_t shapes[][5] = {{33, 18, 9, 3, 1}, {7, 40, 6, 5, 2}, {2, 5, 20, 5, 2}};
  for (size_t i = 0; i < 3 * comity_conv_kernel_count; i++) {
    const comity_conv_kernel *kernel = comity_conv_kernels[i / 3];
    const size_t *p = shapes[i % 3];
    comity_conv_shape s = shape_of(p[0], p[1], p[2], p[2] + 1, p[3], p[3], 1, p[4]);
    if (!takes(kernel, &s))
      continue;
    conv_bench b;
    enum { IMAGES = 11 };
    bench_open(&b, s, IMAGES, 0);
    float *scratch = scratch_for(kernel, &s);
    kernel->forward(&s, IMAGES, b.x, b.weight, b.bias, b.y, scratch);
    kernel->backward(&s, IMAGES, b.x, b.dy, b.weight, b.dx, 0.0F, 1.0F, b.weight_sink, b.bias_sink, scratch);
    for (size_t n = 0; n < IMAGES; n++) {
      float *y = comity_array(b.out, sizeof(float)), *dx = comity_array(b.in, sizeof(float));
      assert_true(y != NULL && dx != NULL);
      kernel->forward(&s, 1, b.x + n * b.in, b.weight, b.bias, y, scratch);
      kernel->backward(&s, 1, b.x + n * b.in, b.dy + n * b.out, b.weight, dx, 0.0F, 1.0F, b.weight_sink,
                       b.bias_sink, scratch);
      assert_memory_equal(y, b.y + n * b.out, b.out * sizeof(float));
      assert_memory_equal(dx, b.dx + n * b.in, b.in * sizeof(float));
      comity_free(y);
      comity_free(dx);
    }
    comity_free(scratch);
    bench_close(&b);
  }
}

/* Whatever arithmetic would make NaN is NaN; other images are not. */
static void nan_is_passed_on_within_its_image(void **state) {
  (void)state;
  static const size_t channels[] = {2, 6};
  for (size_t i = 0; i < 2 * comity_conv_kernel_count; i++) {
    const comity_conv_kernel *kernel = comity_conv_kernels[i / 2];
    comity_conv_shape s = shape_of(channels[i % 2], 9, 11, 13, 5, 5, 1, 2);
    if (!takes(kernel, &s))
      continue;
    conv_bench b;
    bench_open(&b, s, 3, 1);
    b.x[b.in + s.height * s.width + 4 * s.width + 12] = NAN;
    b.dy[b.out + 3 * s.rows * s.columns + 7] = NAN;
    convolve_exactly(&b);
    float *scratch = scratch_for(kernel, &s);
    kernel->forward(&s, 3, b.x, b.weight, b.bias, b.y, scratch);
    kernel->backward(&s, 3, b.x, b.dy, b.weight, b.dx, 0.0F, 1.0F, b.weight_sink, b.bias_sink, scratch);
    for (size_t k = 0; k < 3 * b.out; k++)
      assert_true(k / b.out == 1 ? isnan(b.y[k]) || !isnan(b.exact_y[k]) : isfinite(b.y[k]));
    for (size_t k = 0; k < 3 * b.in; k++)
      assert_true(k / b.in == 1 ? isnan(b.dx[k]) || !isnan(b.exact_dx[k]) : isfinite(b.dx[k]));
    for (size_t k = 0; k < b.weights; k++)
      assert_true(isnan(b.weight_sink[k]) || !isnan(b.exact_weight[k]));
    for (size_t f = 0; f < s.filters; f++)
      assert_true((isnan(b.bias_sink[f]) != 0) == (f == 3));
    comity_free(scratch);
    bench_close(&b);
  }
}

/* The errors that README.md states, with room for another processor's order of sums. */
static void transforms_round_little_more_than_direct_sums(void **state) {
  (void)state;
  for (size_t taps = 3; taps <= 5; taps += 2)
    for (size_t i = 0; i < comity_conv_kernel_count; i++) {
      const comity_conv_kernel *kernel = comity_conv_kernels[i];
      comity_conv_shape s = shape_of(32, 64, 14, 14, taps, taps, 1, taps / 2);
      if (!takes(kernel, &s))
        continue;
      conv_bench b;
      bench_open(&b, s, 8, 0);
      float *scratch = scratch_for(kernel, &s);
      kernel->forward(&s, 8, b.x, b.weight, b.bias, b.y, scratch);
      kernel->backward(&s, 8, b.x, b.dy, b.weight, b.dx, 0.0F, 1.0F, b.weight_sink, b.bias_sink, scratch);
      rounding y = compare(b.y, b.exact_y, 8 * b.out), dx = compare(b.dx, b.exact_dx, 8 * b.in),
               dw = compare(b.weight_sink, b.exact_weight, b.weights);
      print_message("%zux%zu %-8s %-6s rms, max: forward %.1e %.1e, data %.1e %.1e, weights %.1e %.1e\n",
                    taps, taps, kernel->method, comity_isa_name(kernel->isa), y.rms, y.max, dx.rms, dx.max,
                    dw.rms, dw.max);
      double rms = strcmp(kernel->method, "winograd") != 0 ? 6e-7 : taps == 3 ? 1.5e-6 : 5e-6;
      assert_true(y.rms < rms && dx.rms < rms && dw.rms < rms);
      assert_true(y.max < 12.0 * rms && dx.max < 12.0 * rms && dw.max < 12.0 * rms);
      comity_free(scratch);
      bench_close(&b);
    }
}

static void a_forced_kernel_is_taken_or_leaves_it_to_openblas(void **state) {
  (void)state;
  comity_conv_shape large = shape_of(32, 64, 14, 14, 5, 5, 1, 2), first = shape_of(1, 32, 28, 28, 5, 5, 1, 2),
                    strided = shape_of(32, 64, 14, 14, 5, 5, 2, 2);
  assert_string_equal(comity_conv_choose(&large, COMITY_KERNELS_NATIVE)->method, "winograd");
  assert_string_equal(comity_conv_choose(&first, COMITY_KERNELS_NATIVE)->method, "direct");
  assert_int_equal(comity_conv_choose(&large, COMITY_KERNELS_NATIVE)->isa, comity_isa_best());
  assert_int_equal(comity_conv_choose(&first, COMITY_KERNELS_NATIVE)->isa, comity_isa_best());
  assert_string_equal(comity_conv_choose(&strided, COMITY_KERNELS_NATIVE)->method, "im2col");
  assert_string_equal(comity_conv_choose(&large, COMITY_KERNELS_OPENBLAS)->method, "im2col");
  assert_true(comity_conv_choose(&large, COMITY_KERNELS_AUTO)->isa <= comity_isa_best());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions_are_those_of_arithmetic_for_small_shapes),
      cmocka_unit_test(convolutions_are_those_of_arithmetic_for_shapes_of_models),
      cmocka_unit_test(an_image_does_not_depend_on_its_neighbours),
      cmocka_unit_test(nan_is_passed_on_within_its_image),
      cmocka_unit_test(transforms_round_little_more_than_direct_sums),
      cmocka_unit_test(a_forced_kernel_is_taken_or_leaves_it_to_openblas),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
