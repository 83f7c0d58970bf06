/* What every kind of layer and every loss promises: its table is complete, its derivatives are those of what
 * it computes, it writes all of its results and nothing else, and nothing that was in memory before matters.
 */
#include "test.h"

#include "model/model_impl.h"

#include <math.h>
#include <string.h>

enum { COUNT = 3, GUARD = 16, MOST = 4096, MOST_SCRATCH = 1 << 19 };

/* One way to use each kind. The tables below have a kind several times where it has several ways to go wrong.
 */
static const struct example {
  comity_layer_spec spec;
  comity_shape in;
} examples[] = {
    {{.kind = "dense", .units = 5}, {1, {7}}},
    {{.kind = "dense", .units = 1}, {3, {2, 3, 2}}},
    {{.kind = "conv2d", .units = 3, .kernel = {3, 3}, .same = true}, {3, {2, 5, 4}}},
    {{.kind = "conv2d", .units = 2, .kernel = {2, 3}, .stride = {2, 1}, .padding = {1, 2}}, {3, {2, 5, 4}}},
    {{.kind = "conv2d", .units = 2, .kernel = {1, 1}, .stride = {3, 2}}, {2, {5, 4}}},
    {{.kind = "conv2d", .units = 2, .kernel = {4, 5}, .stride = {1, 3}, .padding = {3, 4}}, {3, {1, 2, 1}}},
    {{.kind = "conv2d", .units = 1, .kernel = {5, 4}}, {3, {2, 5, 4}}},
    {{.kind = "conv2d", .units = 3, .kernel = {3, 3}, .same = true}, {3, {6, 5, 4}}},
    {{.kind = "conv2d", .units = 3, .kernel = {5, 5}, .padding = {1, 4}}, {3, {6, 5, 4}}},
    {{.kind = "maxpool", .kernel = {2, 2}}, {3, {2, 5, 4}}},
    {{.kind = "maxpool", .kernel = {3, 2}, .stride = {1, 2}, .padding = {2, 1}}, {3, {2, 5, 4}}},
    {{.kind = "avgpool", .kernel = {2, 2}}, {3, {2, 5, 4}}},
    {{.kind = "avgpool", .kernel = {2, 3}, .stride = {2, 1}, .padding = {1, 2}}, {2, {5, 4}}},
    {{.kind = "relu"}, {3, {2, 5, 4}}},
    {{.kind = "tanh"}, {1, {9}}},
    {{.kind = "sigmoid"}, {1, {9}}},
    {{.kind = "flatten"}, {3, {2, 5, 4}}},
    {{.kind = "dropout", .rate = 0.4}, {1, {9}}},
};
/* Every example goes by each value of model.kernels; one that this build lacks leaves it to another. */
enum { EXAMPLES = sizeof examples / sizeof examples[0], KERNELS = COMITY_KERNELS_ONEDNN + 1 };
enum { WAYS = EXAMPLES * KERNELS };

/* A compiled layer and everything that it works on. */
typedef struct layer_bench {
  comity_step step;
  size_t in, out, weights, biases, kept;
  float x[MOST], y[MOST], dy[MOST], dx[MOST], weight[MOST], bias[MOST], weight_sink[MOST], bias_sink[MOST];
  float keep[MOST];
  _Alignas(64) float scratch[MOST_SCRATCH];
  comity_random dropout;
} layer_bench;

static void assert_near(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("%.12g instead of %.12g", value, expected);
}

/* Well apart from each other and from zero, so that no kink of relu or maxpool lies within a difference. */
static void fill(float *values, size_t count, uint64_t seed) {
  uint32_t order[MOST];
  comity_random random;
  comity_random_open(&random, seed, COMITY_RANDOM_TEST, 0, 0, 0);
  for (uint32_t i = 0; i < count; i++)
    order[i] = i;
  comity_random_shuffle(&random, order, count);
  for (size_t i = 0; i < count; i++)
    values[i] = ((float)order[i] - (float)(count / 2) + 0.5F) * 0.03125F;
}

static void garbage(float *values, size_t count, float value) {
  for (size_t i = 0; i < count; i++)
    values[i] = value;
}

static layer_bench *bench_new(size_t way) {
  const struct example *example = &examples[way / KERNELS];
  layer_bench *bench = comity_array(1, sizeof *bench);
  assert_non_null(bench);
  bench->step.spec = example->spec;
  bench->step.in = example->in;
  bench->step.number = 2;
  bench->step.kernels = (comity_kernels)(way % KERNELS);
  assert_int_equal(comity_layer_find(example->spec.kind, &bench->step.layer), COMITY_OK);
  assert_int_equal(bench->step.layer->plan(&bench->step), COMITY_OK);
  bench->in = COUNT * comity_shape_width(&bench->step.in);
  bench->out = COUNT * comity_shape_width(&bench->step.out);
  bench->weights = bench->step.weight.rank == 0 ? 0 : comity_shape_width(&bench->step.weight);
  bench->biases = bench->step.weight.rank == 0 ? 0 : bench->step.weight.size[0];
  bench->kept = COUNT * bench->step.kept / sizeof(float);
  assert_true(bench->in + GUARD <= MOST && bench->out + GUARD <= MOST && bench->weights + GUARD <= MOST &&
              bench->kept + GUARD <= MOST && bench->step.scratch + GUARD <= MOST_SCRATCH);
  fill(bench->x, bench->in, 1);
  fill(bench->dy, bench->out, 2);
  fill(bench->weight, bench->weights, 3);
  fill(bench->bias, bench->biases, 4);
  comity_random_open(&bench->dropout, 1, COMITY_RANDOM_DROPOUT, 1, 2, 3);
  return bench;
}

static comity_pass pass_of(layer_bench *bench) {
  return (comity_pass){.step = &bench->step,
                       .count = COUNT,
                       .weight = bench->weight,
                       .bias = bench->bias,
                       .x = bench->x,
                       .y = bench->y,
                       .kept = bench->step.kept > 0 ? bench->keep : NULL,
                       .scratch = bench->scratch,
                       .dropout = &bench->dropout,
                       .dy = bench->dy,
                       .dx = bench->dx,
                       .weight_sink = bench->weight_sink,
                       .bias_sink = bench->bias_sink,
                       .scale = 1.0F};
}

static void go_forward(layer_bench *bench) {
  comity_pass pass = pass_of(bench);
  if (bench->step.layer->forward == NULL)
    memcpy(bench->y, bench->x, bench->in * sizeof(float));
  else
    bench->step.layer->forward(&pass);
}

static void go_backward(layer_bench *bench, float keep, float scale) {
  comity_pass pass = pass_of(bench);
  pass.keep = keep;
  pass.scale = scale;
  if (bench->step.layer->elementwise) {
    memcpy(bench->dx, bench->dy, bench->out * sizeof(float));
    pass.dy = bench->dx;
  }
  if (bench->step.layer->backward != NULL)
    bench->step.layer->backward(&pass);
}

/* dy . y, whose derivatives backward gives. */
static double value(layer_bench *bench) {
  go_forward(bench);
  double sum = 0.0;
  for (size_t i = 0; i < bench->out; i++)
    sum += (double)bench->dy[i] * (double)bench->y[i];
  return sum;
}

static void check_derivatives(layer_bench *bench, float *at, size_t count, const float *gradient) {
  /* 2h is less than half the distance between values, but a linear layer has no kinks and wants little rounding. */
  const float h = bench->step.layer == &comity_layer_conv2d ? 1.0F : 0x1p-8F;
  double largest = 0.0;
  for (size_t i = 0; i < count; i++)
    largest = fmax(largest, fabs((double)gradient[i]));
  for (size_t i = 0; i < count; i++) {
    float here = at[i];
    double f[4];
    const float offset[4] = {-2 * h, -h, h, 2 * h};
    for (int k = 0; k < 4; k++) {
      at[i] = here + offset[k];
      f[k] = value(bench);
    }
    at[i] = here;
    double slope = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * (double)h);
    if (!(fabs(slope - (double)gradient[i]) <= 1e-3 * largest))
      fail_msg("%s: derivative %zu of %zu is %g, backward says %g", bench->step.layer->name, i, count, slope,
               (double)gradient[i]);
  }
}

static void every_kind_is_listed_once_and_found_by_name(void **state) {
  (void)state;
  for (size_t i = 0; i < comity_layer_count; i++) {
    const comity_layer *layer = comity_layers[i], *found;
    assert_non_null(layer->plan);
    assert_non_null(layer->settings);
    assert_true((layer->forward == NULL) == (layer->backward == NULL));
    assert_true(strlen(layer->name) < sizeof((comity_layer_spec *)NULL)->kind);
    assert_int_equal(comity_layer_find(layer->name, &found), COMITY_OK);
    assert_ptr_equal(found, layer);
    bool tested = false;
    for (size_t k = 0; k < EXAMPLES; k++)
      tested = tested || strcmp(examples[k].spec.kind, layer->name) == 0;
    if (!tested)
      fail_msg("layer '%s' stands in no row of the table 'examples' of this file", layer->name);
  }
  const comity_layer *none;
  assert_int_equal(comity_layer_find("denze", &none), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "did you mean 'dense'?"));
}

static void backward_gives_the_derivatives_of_forward(void **state) {
  (void)state;
  for (size_t k = 0; k < WAYS; k++) {
    layer_bench *bench = bench_new(k);
    go_forward(bench);
    go_backward(bench, 0.0F, 1.0F);
    float *saved = comity_array(3 * MOST, sizeof *saved);
    assert_non_null(saved);
    memcpy(saved, bench->dx, sizeof bench->dx);
    memcpy(saved + MOST, bench->weight_sink, sizeof bench->weight_sink);
    memcpy(saved + 2 * MOST, bench->bias_sink, sizeof bench->bias_sink);
    check_derivatives(bench, bench->x, bench->in, saved);
    check_derivatives(bench, bench->weight, bench->weights, saved + MOST);
    check_derivatives(bench, bench->bias, bench->biases, saved + 2 * MOST);
    comity_free(saved);
    comity_free(bench);
  }
}

static void maxpool_takes_the_largest_of_each_window(void **state) {
  (void)state;
  for (size_t k = 0; k < WAYS; k++) {
    if (strcmp(examples[k / KERNELS].spec.kind, "maxpool") != 0)
      continue;
    layer_bench *bench = bench_new(k);
    const comity_window *window = &bench->step.window;
    go_forward(bench);
    for (size_t i = 0; i < bench->out; i++) {
      size_t plane = i / (window->rows * window->columns) * window->height * window->width;
      size_t row = i / window->columns % window->rows, column = i % window->columns;
      float largest = -INFINITY;
      for (size_t at = 0; at < window->height * window->width; at++) {
        size_t y = at / window->width + window->padding[0] - row * window->stride[0];
        size_t x = at % window->width + window->padding[1] - column * window->stride[1];
        if (y < window->kernel[0] && x < window->kernel[1]) /* wraps to huge when before the window */
          largest = fmaxf(largest, bench->x[plane + at]);
      }
      assert_true(bench->y[i] == largest);
    }
    comity_free(bench);
  }
}

static void results_are_whole_and_do_not_depend_on_what_was_in_memory(void **state) {
  (void)state;
  const float garbages[] = {NAN, 1e30F};
  for (size_t k = 0; k < WAYS; k++) {
    layer_bench *run[2];
    for (int i = 0; i < 2; i++) {
      run[i] = bench_new(k);
      float *written[] = {run[i]->y,         run[i]->dx,      run[i]->weight_sink,
                          run[i]->bias_sink, run[i]->scratch, run[i]->keep};
      const size_t length[] = {run[i]->out,    run[i]->in,           run[i]->weights,
                               run[i]->biases, run[i]->step.scratch, run[i]->kept};
      for (size_t m = 0; m < 6; m++)
        garbage(written[m], length[m] + GUARD, garbages[i]);
      go_forward(run[i]);
      go_backward(run[i], 0.0F, 1.0F);
      for (size_t m = 0; m < 6; m++)
        for (size_t g = 0; g < GUARD; g++)
          assert_memory_equal(&written[m][length[m] + g], &garbages[i], sizeof(float));
    }
    assert_memory_equal(run[0]->y, run[1]->y, run[0]->out * sizeof(float));
    assert_memory_equal(run[0]->dx, run[1]->dx, run[0]->in * sizeof(float));
    assert_memory_equal(run[0]->weight_sink, run[1]->weight_sink, run[0]->weights * sizeof(float));
    assert_memory_equal(run[0]->bias_sink, run[1]->bias_sink, run[0]->biases * sizeof(float));
    comity_free(run[0]);
    comity_free(run[1]);
  }
}

static void gradients_are_scaled_and_added_to_what_is_kept_of_the_sink(void **state) {
  (void)state;
  for (size_t k = 0; k < WAYS; k++) {
    layer_bench *plain = bench_new(k), *sunk = bench_new(k);
    go_forward(plain);
    go_backward(plain, 0.0F, 1.0F);
    garbage(sunk->weight_sink, MOST, 3.0F);
    garbage(sunk->bias_sink, MOST, 3.0F);
    go_forward(sunk);
    go_backward(sunk, 0.5F, -2.0F);
    for (size_t i = 0; i < plain->weights; i++)
      assert_float_equal(sunk->weight_sink[i], 1.5F - 2.0F * plain->weight_sink[i], 1e-4F);
    for (size_t i = 0; i < plain->biases; i++)
      assert_float_equal(sunk->bias_sink[i], 1.5F - 2.0F * plain->bias_sink[i], 1e-4F);
    comity_free(plain);
    comity_free(sunk);
  }
}

static void without_an_input_gradient_the_rest_is_the_same(void **state) {
  (void)state;
  for (size_t k = 0; k < WAYS; k++) {
    layer_bench *with = bench_new(k), *without = bench_new(k);
    go_forward(with);
    go_backward(with, 0.0F, 1.0F);
    go_forward(without);
    comity_pass pass = pass_of(without);
    pass.dx = NULL;
    if (pass.step->layer->backward != NULL)
      pass.step->layer->backward(&pass);
    assert_memory_equal(with->weight_sink, without->weight_sink, with->weights * sizeof(float));
    assert_memory_equal(with->bias_sink, without->bias_sink, with->biases * sizeof(float));
    comity_free(with);
    comity_free(without);
  }
}

static void elementwise_layers_may_work_in_place(void **state) {
  (void)state;
  for (size_t k = 0; k < WAYS; k++) {
    layer_bench *bench = bench_new(k);
    comity_pass pass = pass_of(bench);
    if (bench->step.layer->elementwise && bench->step.layer->forward != NULL) {
      go_forward(bench);
      pass.y = bench->x;
      bench->step.layer->forward(&pass);
      assert_memory_equal(bench->x, bench->y, bench->in * sizeof(float));
    }
    comity_free(bench);
  }
}

/* ---- losses */

static const struct label_set {
  size_t classes, targets;
  float y[8];
} labels[] = {{4, 1, {0, 3, 1}}, {2, 1, {1, 0, 1}}, {0, 2, {0.5F, -1, 2, 0, 0.25F, 1}}, {0, 1, {1, 2, 3}}};
enum { LABELS = sizeof labels / sizeof labels[0] };

static void every_loss_is_listed_once_and_found_by_name(void **state) {
  (void)state;
  for (size_t i = 0; i < comity_loss_count; i++) {
    const comity_loss *loss = comity_losses[i], *found;
    assert_true(loss->outputs != NULL && loss->gradient != NULL && loss->score != NULL &&
                loss->labels != NULL);
    assert_true(strlen(loss->name) < sizeof((comity_model_spec *)NULL)->loss);
    assert_int_equal(comity_loss_find(loss->name, &found), COMITY_OK);
    assert_ptr_equal(found, loss);
  }
  const comity_loss *none;
  assert_int_equal(comity_loss_find("crossentropy", &none), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "did you mean 'cross_entropy'?"));
}

static void every_loss_has_its_own_derivatives(void **state) {
  (void)state;
  for (size_t i = 0; i < comity_loss_count; i++) {
    size_t tried = 0;
    for (size_t k = 0; k < LABELS; k++) {
      const comity_loss *loss = comity_losses[i];
      size_t width = loss->outputs(labels[k].classes, labels[k].targets);
      if (width == 0)
        continue;
      tried++;
      float z[32], dz[32], unused[32];
      fill(z, COUNT * width, 5);
      for (size_t j = 0; j < COUNT * width; j++)
        z[j] *= 4.0F;
      double sum = loss->gradient(z, labels[k].y, COUNT, width, dz);
      assert_near(loss->score(z, labels[k].y, COUNT, width, NULL).loss, sum, 1e-6 * sum);
      assert_int_equal(loss->score(z, labels[k].y, COUNT, width, NULL).examples, COUNT);
      for (size_t j = 0; j < COUNT * width; j++) {
        const float h = 0x1p-7F;
        float here = z[j];
        z[j] = here + h;
        double up = loss->gradient(z, labels[k].y, COUNT, width, unused);
        z[j] = here - h;
        double down = loss->gradient(z, labels[k].y, COUNT, width, unused);
        z[j] = here;
        assert_near((up - down) / (2 * (double)h) / COUNT, (double)dz[j], 1e-4);
      }
    }
    assert_true(tried > 0);
  }
}

static void losses_of_huge_outputs_stay_finite(void **state) {
  (void)state;
  const float y[] = {1, 0};
  const float z[] = {-1000, 1000}, wide[] = {1000, -1000, -1000, 1000};
  float dz[4];
  assert_near(comity_loss_binary_cross_entropy.gradient(z, y, 2, 1, dz), 2000.0, 1e-9);
  assert_float_equal(dz[0], -0.5F, 0);
  assert_float_equal(dz[1], 0.5F, 0);
  assert_near(comity_loss_cross_entropy.gradient(wide, y, 2, 2, dz), 4000.0, 1e-9);
  assert_float_equal(dz[0], 0.5F, 0);
  assert_float_equal(dz[1], -0.5F, 0);
}

static void a_label_outside_of_the_classes_makes_the_loss_nan(void **state) {
  (void)state;
  const float z[] = {1, 2, 3}, y[] = {3}, negative[] = {-1}, none[] = {NAN};
  float dz[3];
  assert_true(isnan(comity_loss_cross_entropy.gradient(z, y, 1, 3, dz)));
  assert_true(isnan(comity_loss_cross_entropy.gradient(z, negative, 1, 3, dz)));
  assert_true(isnan(comity_loss_cross_entropy.score(z, none, 1, 3, NULL).loss));
  assert_true(isnan(comity_loss_binary_cross_entropy.gradient(z, y, 1, 1, dz)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_is_listed_once_and_found_by_name),
      cmocka_unit_test(backward_gives_the_derivatives_of_forward),
      cmocka_unit_test(maxpool_takes_the_largest_of_each_window),
      cmocka_unit_test(results_are_whole_and_do_not_depend_on_what_was_in_memory),
      cmocka_unit_test(gradients_are_scaled_and_added_to_what_is_kept_of_the_sink),
      cmocka_unit_test(without_an_input_gradient_the_rest_is_the_same),
      cmocka_unit_test(elementwise_layers_may_work_in_place),
      cmocka_unit_test(every_loss_is_listed_once_and_found_by_name),
      cmocka_unit_test(every_loss_has_its_own_derivatives),
      cmocka_unit_test(losses_of_huge_outputs_stay_finite),
      cmocka_unit_test(a_label_outside_of_the_classes_makes_the_loss_nan),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
