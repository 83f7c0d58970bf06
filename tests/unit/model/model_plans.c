/* Compiling: shapes, names, counts, initial parameters, memory, the printed table, and what is refused. */
#include "model_test.h"

#include <stdlib.h>

static const comity_model_spec cnn = {
    MODEL_LAYERS({.kind = "conv2d", .name = "first", .units = 4, .kernel = {3, 2}, .stride = {2, 1}},
                 {.kind = "relu"}, {.kind = "maxpool", .kernel = {2, 2}},
                 {.kind = "conv2d", .units = 5, .kernel = {1, 1}}, {.kind = "dense", .units = 3}),
    .loss = "cross_entropy",
    .shape_rank = 3,
    .shape = {2, 9, 7},
    .classes = 3,
    .targets = 1};

static void expect_tensor(const comity_model *model, size_t i, const char *name, size_t offset, size_t length,
                          size_t rank) {
  const comity_tensor *tensor = comity_model_tensor(model, i);
  assert_string_equal(tensor->name, name);
  assert_int_equal(tensor->offset, offset);
  assert_int_equal(tensor->length, length);
  assert_int_equal(tensor->rank, rank);
}

static void names_map_to_ranges_of_the_vector(void **state) {
  (void)state;
  comity_model *model;
  assert_int_equal(comity_model_new(&cnn, &model), COMITY_OK);
  assert_int_equal(comity_model_tensors(model), 6);
  expect_tensor(model, 0, "first.weight", 0, 48, 4); /* (4,2,3,2); 4x4x6 out, 4x2x3 pooled */
  expect_tensor(model, 1, "first.bias", 48, 4, 1);
  expect_tensor(model, 2, "conv2d2.weight", 52, 20, 4);
  expect_tensor(model, 3, "conv2d2.bias", 72, 5, 1);
  expect_tensor(model, 4, "dense1.weight", 77, 90, 2); /* 5x2x3 in */
  expect_tensor(model, 5, "dense1.bias", 167, 3, 1);
  assert_int_equal(comity_model_parameters(model), 170);
  assert_int_equal(comity_model_outputs(model), 3);
  const comity_model_spec *spec = comity_model_describe(model);
  assert_string_equal(spec->layer[1].name, "relu1");
  assert_int_equal(spec->layer[2].stride[1], 2);
  comity_model *again; /* what a model says of itself compiles to the same */
  assert_int_equal(comity_model_new(spec, &again), COMITY_OK);
  assert_memory_equal(comity_model_describe(again), spec, sizeof *spec);
  comity_model_destroy(&again);
  comity_model_destroy(&model);
  comity_model_destroy(&model);
}

static void initial_parameters_are_bounded_by_fan_in_and_keyed_by_seed(void **state) {
  (void)state;
  model_bench bench;
  model_bench_open(&bench, &cnn, 1);
  const double bounds[] = {1 / sqrt(12), 1 / sqrt(12), 0.5, 0.5, 1 / sqrt(30), 1 / sqrt(30)};
  for (size_t t = 0; t < comity_model_tensors(bench.model); t++) {
    const comity_tensor *tensor = comity_model_tensor(bench.model, t);
    double largest = 0.0;
    for (size_t i = 0; i < tensor->length; i++)
      largest = fmax(largest, fabs((double)bench.parameters[tensor->offset + i]));
    assert_true(largest <= bounds[t]);
    assert_true(largest > 0.2 * bounds[t]);
  }
  comity_random random;
  comity_random_open(&random, 1, COMITY_RANDOM_INIT, 2, 0, 0);
  float value = (float)(0.5 * (2.0 * comity_random_uniform(&random) - 1.0));
  assert_memory_equal(&bench.parameters[52], &value, sizeof value);
  comity_model_init(bench.model, 2, false, bench.gradient);
  assert_true(memcmp(bench.gradient, bench.parameters, bench.count * sizeof(float)) != 0);
  comity_model_init(bench.model, 1, false, bench.gradient);
  assert_memory_equal(bench.gradient, bench.parameters, bench.count * sizeof(float));
  comity_model_init(bench.model, 1, true, bench.gradient);
  for (size_t i = 0; i < bench.count; i++)
    assert_true(bench.gradient[i] == 0.0F);
  model_bench_close(&bench);
}

static void the_printed_table_shows_shapes_and_parameters(void **state) {
  (void)state;
  comity_model *model;
  assert_int_equal(comity_model_new(&cnn, &model), COMITY_OK);
  char *text = NULL;
  size_t length = 0;
  FILE *file = open_memstream(&text, &length);
  assert_non_null(file);
  comity_model_print(model, file);
  fclose(file);
  assert_non_null(strstr(text, "first            conv2d     4x4x6                        52\n"));
  assert_non_null(strstr(text, "total                                                   170\n"));
  assert_non_null(strstr(text, "loss cross_entropy over 3 classes\n"));
  free(text);
  comity_model_destroy(&model);
}

/* The spec is refused with a message that has all of the parts. */
static void refused(const comity_model_spec *spec, const char *first, const char *second) {
  comity_model *model = NULL;
  assert_int_equal(comity_model_new(spec, &model), COMITY_ERR_CONFIG);
  assert_null(model);
  if (strstr(comity_error_message(), first) == NULL || strstr(comity_error_message(), second) == NULL)
    fail_msg("'%s' and '%s' are not in: %s", first, second, comity_error_message());
}

static void shapes_that_do_not_fit_are_refused_by_layer(void **state) {
  (void)state;
  comity_model_spec spec = cnn;
  spec.layer[3].kernel[0] = 4;
  snprintf(spec.layer[3].origin, sizeof spec.layer[3].origin, "job.yaml:9:5");
  refused(&spec, "job.yaml:9:5: layer 4 conv2d2 (conv2d, input 4x2x3): ", "use a kernel of at most 2");
  spec = cnn;
  spec.layer[1] = (comity_layer_spec){.kind = "flatten"};
  refused(&spec, "layer 3 maxpool1 (maxpool, input 96)", "wants images");
  spec = cnn;
  spec.layer[0].padding[1] = 2;
  refused(&spec, "layer 1 first", "a padding of 2 is not less than the kernel of 2");
  spec.layer[0].same = true;
  refused(&spec, "layer 1 first", "odd kernel, not 2");
  spec = cnn;
  spec.layer[4].units = 0;
  refused(&spec, "layer 5 dense1", "'units' is missing");
  spec.layer[4].units = SIZE_MAX / 2;
  refused(&spec, "layer 5 dense1", "too large");
  spec = cnn;
  spec.layer[1] = (comity_layer_spec){.kind = "dropout", .rate = 1.0};
  refused(&spec, "layer 2 dropout1", "less than 1");
  spec.layer[1].rate = NAN;
  refused(&spec, "layer 2 dropout1", "less than 1");
}

static void bad_names_are_refused(void **state) {
  (void)state;
  comity_model_spec spec = cnn;
  snprintf(spec.layer[3].name, sizeof spec.layer[3].name, "first");
  refused(&spec, "layer 4 first", "names must differ");
  snprintf(spec.layer[3].name, sizeof spec.layer[3].name, "a/b");
  refused(&spec, "layer 4 a/b", "but not '/'");
  spec = cnn;
  snprintf(spec.layer[1].kind, sizeof spec.layer[1].kind, "rule");
  refused(&spec, "layer 2 (rule, input 4x4x6)", "did you mean 'relu'?");
}

static void a_last_layer_that_does_not_fit_the_labels_is_refused_with_what_would(void **state) {
  (void)state;
  comity_model_spec spec = cnn;
  spec.classes = 62;
  refused(&spec, "layer 5 dense1 (dense) is the last and 3 wide", "cross_entropy with 62 classes needs 62");
  spec = cnn;
  spec.classes = 2;
  spec.layer[4].units = 1;
  refused(&spec, "needs 2; make it 2 wide", "or set model.loss to");
  spec = cnn;
  spec.classes = 0;
  spec.targets = 3;
  refused(&spec, "cross_entropy is for one class label", "set model.loss to mean_squared_error, which fits");
  snprintf(spec.loss, sizeof spec.loss, "binary_cross_entropy");
  spec.classes = 3;
  spec.targets = 1;
  refused(&spec, "binary_cross_entropy is for", "the data has 3 classes; set model.loss to cross_entropy");
  snprintf(spec.loss, sizeof spec.loss, "cross_entrophy");
  refused(&spec, "there is no loss", "did you mean 'cross_entropy'?");
}

static void models_without_layers_parameters_or_inputs_are_refused(void **state) {
  (void)state;
  comity_model_spec spec = cnn;
  spec.count = 0;
  refused(&spec, "0 layers", "between 1 and 64");
  spec.count = COMITY_LAYERS_MAX + 1;
  refused(&spec, "65 layers", "between 1 and 64");
  spec = cnn;
  spec.shape[1] = 0;
  refused(&spec, "2x0x7", "empty or too large");
  spec.shape[1] = SIZE_MAX;
  refused(&spec, "model: examples", "empty or too large");
  spec = cnn;
  spec.layer[0] = (comity_layer_spec){.kind = "relu"};
  spec.count = 1;
  refused(&spec, "no layer has parameters", "dense");
}

static void a_workspace_for_no_or_too_many_examples_is_refused(void **state) {
  (void)state;
  comity_model *model;
  comity_workspace *workspace = NULL;
  assert_int_equal(comity_model_new(&cnn, &model), COMITY_OK);
  assert_int_equal(comity_workspace_new(model, 0, true, &workspace), COMITY_ERR_ARG);
  assert_int_equal(comity_workspace_new(model, SIZE_MAX, true, &workspace), COMITY_ERR_ARG);
  assert_null(workspace);
  comity_workspace_destroy(&workspace);
  comity_model_destroy(&model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_map_to_ranges_of_the_vector),
      cmocka_unit_test(initial_parameters_are_bounded_by_fan_in_and_keyed_by_seed),
      cmocka_unit_test(the_printed_table_shows_shapes_and_parameters),
      cmocka_unit_test(shapes_that_do_not_fit_are_refused_by_layer),
      cmocka_unit_test(bad_names_are_refused),
      cmocka_unit_test(a_last_layer_that_does_not_fit_the_labels_is_refused_with_what_would),
      cmocka_unit_test(models_without_layers_parameters_or_inputs_are_refused),
      cmocka_unit_test(a_workspace_for_no_or_too_many_examples_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
