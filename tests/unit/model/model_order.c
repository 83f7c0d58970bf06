/* The compiler lets maxpool go before a relu that stands before it in the job. Nobody can tell but by the time. */
#include "model_test.h"

#include "model/model_impl.h"

enum { BATCH = 5 };

static const comity_model_spec specs[] = {
    {MODEL_LAYERS({.kind = "conv2d", .units = 4, .kernel = {3, 3}}, {.kind = "relu"},
                  {.kind = "maxpool", .kernel = {2, 2}}, {.kind = "dense", .units = 3}),
     .loss = "cross_entropy", .shape_rank = 3, .shape = {2, 9, 11}, .classes = 3, .targets = 1},
    {MODEL_LAYERS({.kind = "conv2d", .units = 4, .kernel = {3, 3}}, {.kind = "relu"},
                  {.kind = "maxpool", .kernel = {3, 3}, .stride = {1, 2}, .padding = {1, 1}},
                  {.kind = "relu"}, {.kind = "maxpool", .kernel = {2, 2}}, {.kind = "dense", .units = 3}),
     .loss = "cross_entropy", .shape_rank = 3, .shape = {2, 9, 11}, .classes = 3, .targets = 1}};
enum { SPECS = sizeof specs / sizeof specs[0] };

/* Put the steps back where the job has them. */
static void restore_order(comity_model *model) {
  size_t moved = 0;
  for (size_t i = 0; i + 1 < model->spec.count; i++) {
    comity_step *pool = &model->step[i], *relu = &model->step[i + 1];
    if (pool->number != i + 1)
      continue;
    comity_step last = *pool;
    relu->in = relu->out = pool->in;
    relu->in_place = false;
    *pool = *relu;
    *relu = last;
    moved++;
    i++;
  }
  assert_true(moved > 0);
  for (size_t i = 0; i < model->spec.count; i++)
    assert_int_equal(model->step[i].number, i);
}

/* Pixels and weights with many equals, many windows without a positive number, zeros of both signs. */
static void make_ties(model_bench *bench, bool nan) {
  comity_random random;
  comity_random_open(&random, 3, COMITY_RANDOM_TEST, 0, 0, 0);
  float *x = comity_workspace_x(bench->workspace);
  for (size_t i = 0; i < BATCH * bench->model->width; i++)
    x[i] = (float)comity_random_below(&random, 3) - 1.0F;
  for (size_t i = 0; i < bench->count; i++)
    bench->parameters[i] = ((float)comity_random_below(&random, 3) - 1.0F) * (i % 2 == 0 ? 0.25F : -0.0F);
  memset(x, 0, bench->model->width * sizeof *x);
  for (size_t i = 0; nan && i < bench->model->width; i += i < 60 ? 7 : 1)
    x[2 * bench->model->width + i] = NAN;
}

static void maxpool_before_relu_gives_the_bits_of_relu_before_maxpool(void **state) {
  (void)state;
  for (size_t k = 0; k < 3 * SPECS; k++) {
    model_bench moved, plain;
    model_bench_open(&moved, &specs[k / 3], BATCH);
    model_bench_open(&plain, &specs[k / 3], BATCH);
    comity_workspace_destroy(&plain.workspace);
    restore_order(plain.model);
    assert_int_equal(comity_workspace_new(plain.model, BATCH, true, &plain.workspace), COMITY_OK);
    fill_batch(plain.model, plain.workspace, BATCH, 1);
    if (k % 3 > 0) {
      make_ties(&moved, k % 3 == 2);
      make_ties(&plain, k % 3 == 2);
    }
    double loss[2] = {
        comity_model_gradient(moved.model, moved.parameters, moved.workspace, BATCH, NULL, moved.gradient),
        comity_model_gradient(plain.model, plain.parameters, plain.workspace, BATCH, NULL, plain.gradient)};
    size_t last = moved.model->spec.count - 1;
    assert_memory_equal(moved.workspace->output[last], plain.workspace->output[last],
                        BATCH * moved.model->outputs * sizeof(float));
    assert_memory_equal(moved.gradient, plain.gradient, moved.count * sizeof(float));
    assert_memory_equal(&loss[0], &loss[1], sizeof loss[0]);
    assert_true((isnan(loss[0]) != 0) == (k % 3 == 2));
    model_bench_close(&moved);
    model_bench_close(&plain);
  }
}

static void the_printed_table_keeps_the_order_of_the_job(void **state) {
  (void)state;
  comity_model *model;
  assert_int_equal(comity_model_new(&specs[0], &model), COMITY_OK);
  char text[2048] = "";
  FILE *file = fmemopen(text, sizeof text, "w");
  assert_non_null(file);
  comity_model_print(model, file);
  fclose(file);
  const char *relu = strstr(text, "relu1"), *pool = strstr(text, "maxpool1");
  assert_true(relu != NULL && pool != NULL && relu < pool);
  const char *before = strstr(relu, "4x7x9"), *after = strstr(pool, "4x3x4");
  assert_true(before != NULL && before < pool && after != NULL);
  comity_model_destroy(&model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(maxpool_before_relu_gives_the_bits_of_relu_before_maxpool),
      cmocka_unit_test(the_printed_table_keeps_the_order_of_the_job),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
