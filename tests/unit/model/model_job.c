/* From a job file to a model: presets, layers, the loss, and errors that say where and what. */
#include "model_test.h"

static comity_dataset_info data_of(size_t rank, size_t a, size_t b, size_t c, size_t classes) {
  return (comity_dataset_info){
      .path = "train.h5", .shape_rank = rank, .shape = {a, b, c}, .targets = 1, .classes = classes};
}

static comity_status read_job(const char *yaml, const comity_dataset_info *data, comity_model_spec *spec) {
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  comity_status status = comity_config_parse(config, "job.yaml", yaml, strlen(yaml));
  if (status == COMITY_OK)
    status = comity_model_spec_read(config, data, spec);
  comity_config_destroy(&config);
  return status;
}

static void has_parameters(const char *yaml, const comity_dataset_info *data, size_t parameters,
                           const char *loss) {
  comity_model_spec spec;
  comity_model *model;
  if (read_job(yaml, data, &spec) != COMITY_OK || comity_model_new(&spec, &model) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  assert_int_equal(comity_model_parameters(model), parameters);
  assert_string_equal(spec.loss, loss);
  comity_model_destroy(&model);
}

static void presets_have_the_published_numbers_of_parameters(void **state) {
  (void)state;
  comity_dataset_info mnist = data_of(3, 1, 28, 28, 10), flat = data_of(1, 784, 0, 0, 10);
  comity_dataset_info table = data_of(1, 13, 0, 0, 2), real = data_of(1, 13, 0, 0, 0);
  comity_dataset_info plain_image = data_of(2, 28, 28, 0, 62);
  has_parameters("model: {preset: mnist_2nn}", &mnist, 199210, "cross_entropy");
  has_parameters("model: {preset: mnist_2nn}", &flat, 199210, "cross_entropy");
  has_parameters("model: {preset: mnist_cnn}", &mnist, 1663370, "cross_entropy");
  has_parameters("model: {preset: mnist_cnn}", &plain_image, 1663370 + 52 * 513, "cross_entropy");
  has_parameters("model: {preset: logistic}", &flat, 7850, "cross_entropy");
  has_parameters("model: {preset: logistic}", &table, 28, "cross_entropy");
  has_parameters("model: {preset: logistic, loss: binary_cross_entropy}", &table, 14, "binary_cross_entropy");
  has_parameters("model: {preset: logistic}", &real, 14, "mean_squared_error");
  has_parameters("model: {preset: mlp}", &table, 14 * 64 + 65 * 2, "cross_entropy");
  has_parameters("model: {preset: mlp, hidden: [5, 4]}", &table, 14 * 5 + 6 * 4 + 5 * 2, "cross_entropy");
  real.targets = 3;
  has_parameters("model: {preset: mlp, hidden: 5}", &real, 14 * 5 + 6 * 3, "mean_squared_error");
}

static void every_named_preset_is_there(void **state) {
  (void)state;
  comity_dataset_info mnist = data_of(3, 1, 28, 28, 10);
  char names[128], yaml[128];
  snprintf(names, sizeof names, "%s", comity_model_preset_names());
  size_t count = 0;
  for (char *rest = NULL, *name = strtok_r(names, "|", &rest); name != NULL;
       name = strtok_r(NULL, "|", &rest)) {
    comity_model_spec spec;
    snprintf(yaml, sizeof yaml, "model: {preset: %s}", name);
    assert_int_equal(read_job(yaml, &mnist, &spec), COMITY_OK);
    assert_non_null(strstr(spec.layer[0].origin, name));
    count++;
  }
  assert_int_equal(count, 4);
}

static void layers_are_read_with_all_their_settings(void **state) {
  (void)state;
  comity_dataset_info images = data_of(3, 1, 12, 10, 2);
  comity_model_spec spec;
  const char yaml[] =
      "model:\n  l2: 0.5\n  layers:\n"
      "    - {type: conv2d, name: front, filters: 3, kernel: \"3,5\", stride: \"2, 1\", padding: 1}\n"
      "    - {type: conv2d, filters: 2, kernel: 3, padding: same}\n"
      "    - {type: maxpool, kernel: 2, padding: \"0,1\"}\n"
      "    - {type: dropout, rate: 0.25}\n"
      "    - {type: dense, units: 1}\n";
  assert_int_equal(read_job(yaml, &images, &spec), COMITY_OK);
  assert_int_equal(spec.count, 5);
  const comity_layer_spec *front = &spec.layer[0];
  assert_string_equal(front->kind, "conv2d");
  assert_string_equal(front->name, "front");
  assert_int_equal(front->units, 3);
  assert_true(front->kernel[0] == 3 && front->kernel[1] == 5 && front->stride[0] == 2 &&
              front->stride[1] == 1);
  assert_true(front->padding[0] == 1 && front->padding[1] == 1 && !front->same);
  assert_true(spec.layer[1].same);
  assert_true(spec.layer[2].padding[0] == 0 && spec.layer[2].padding[1] == 1 && spec.layer[2].stride[0] == 0);
  assert_true(spec.layer[3].rate == 0.25);
  assert_true(spec.l2 == 0.5);
  assert_string_equal(spec.loss, "binary_cross_entropy"); /* one logit for two classes */
  assert_non_null(strstr(spec.layer[4].origin, "job.yaml:8:"));
}

/* The job is refused with a message that has all of the parts. */
static void refused(const char *yaml, size_t classes, const char *first, const char *second) {
  comity_dataset_info images = data_of(3, 1, 12, 10, classes);
  comity_model_spec spec;
  assert_int_equal(read_job(yaml, &images, &spec), COMITY_ERR_CONFIG);
  if (strstr(comity_error_message(), first) == NULL || strstr(comity_error_message(), second) == NULL)
    fail_msg("'%s' and '%s' are not in: %s", first, second, comity_error_message());
}

static void mistakes_in_layers_are_refused_where_they_stand(void **state) {
  (void)state;
  refused("model:\n  layers:\n    - {type: relu}\n    - {type: dense, unit: 3}\n", 2,
          "job.yaml:4:", "no setting 'unit'; did you mean 'units'?");
  refused("model: {layers: [{type: dense, units: 3, rate: 0.5}]}", 2, "layer 1: a layer of type dense",
          "it has: type, name, units");
  refused("model: {layers: [{type: dens, units: 3}]}", 2, "there is no type of layer 'dens'",
          "did you mean 'dense'?");
  refused("model: {layers: [{units: 3}]}", 2, "'type' is missing", "dense");
  refused("model: {layers: [{type: dense, units: -3}]}", 2, "'units: -3'", "whole number from 1");
  refused("model: {layers: [{type: dense, units: 3.5}]}", 2, "'units: 3.5'", "whole number from 1");
  refused("model: {layers: [{type: conv2d, filters: 2, kernel: \"3,\"}]}", 2, "'kernel: 3,'", "height,width");
  refused("model: {layers: [{type: conv2d, filters: 2, kernel: 3, stride: 0}]}", 2, "'stride: 0'", "from 1");
  refused("model: {layers: [{type: maxpool, kernel: 2, padding: same}]}", 2, "'same' is for conv2d",
          "number");
  refused("model: {layers: [{type: dropout}]}", 2, "'rate' is missing", "0.5");
  refused("model: {layers: [{type: dropout, rate: much}]}", 2, "'rate: much'", "number");
  refused("model: {layers: [{type: dense, units: 2, name: abcdefghijklmnopqrstuvwxyz0123456789}]}", 2,
          "is longer", "31");
}

static void models_that_do_not_fit_the_data_are_refused(void **state) {
  (void)state;
  refused("seed: 1", 2, "has no model", "logistic|mlp|mnist_2nn|mnist_cnn");
  refused("model: {preset: mlp, layers: [{type: dense, units: 2}]}", 2, "model.preset is 'mlp'",
          "remove one");
  refused("model: {preset: mlp, hidden: [8, wide]}", 2, "model.hidden: 'wide'", "job.yaml:1:");
  refused("model: {preset: logistic, loss: cross_entropy}", 0, "cross_entropy is for",
          "train.h5 has real targets");
  refused("model: {preset: logistic, loss: binary_cross_entropy}", 3, "binary_cross_entropy is for",
          "train.h5 has 3 classes");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(presets_have_the_published_numbers_of_parameters),
      cmocka_unit_test(every_named_preset_is_there),
      cmocka_unit_test(layers_are_read_with_all_their_settings),
      cmocka_unit_test(mistakes_in_layers_are_refused_where_they_stand),
      cmocka_unit_test(models_that_do_not_fit_the_data_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
