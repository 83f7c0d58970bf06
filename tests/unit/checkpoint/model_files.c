/* model.h5: what is written is what is read, here and by its documented layout. */
#include "test.h"

#include <comity/checkpoint.h>

#include "core/core_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], path[96];
static const char job[] = "model:\n  preset: mlp\n  hidden: [5]\n";
static const comity_dataset_info data = {.path = "test",
                                         .layout = "flat",
                                         .clients = 1,
                                         .type = COMITY_F32,
                                         .shape_rank = 1,
                                         .shape = {4},
                                         .width = 4,
                                         .scale = 0.5,
                                         .targets = 1,
                                         .classes = 3};
static const float mean[4] = {1, 2, 3, 4}, inverse[4] = {5, 6, 7, 8};
static comity_model *model;
static float *parameters;

static int set_up(void **state) {
  (void)state;
  comity_config *config;
  comity_model_spec spec;
  snprintf(folder, sizeof folder, "/tmp/comity-model-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/model.h5", folder);
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  assert_int_equal(comity_config_parse(config, "job", job, strlen(job)), COMITY_OK);
  assert_int_equal(comity_model_spec_read(config, &data, &spec), COMITY_OK);
  comity_config_destroy(&config);
  assert_int_equal(comity_model_new(&spec, &model), COMITY_OK);
  assert_int_equal(comity_model_parameters(model), 4 * 5 + 5 + 5 * 3 + 3);
  parameters = comity_array(comity_model_parameters(model), sizeof *parameters);
  comity_model_init(model, 7, false, parameters);
  comity_model_file file = {.model = model,
                            .parameters = parameters,
                            .mean = mean,
                            .inverse = inverse,
                            .scale = 0.5,
                            .round = 12,
                            .job = job};
  return comity_model_write(path, &file) != COMITY_OK;
}

static int tear_down(void **state) {
  (void)state;
  comity_model_destroy(&model);
  comity_free(parameters);
  return comity_folder_remove(folder) != COMITY_OK;
}

static void a_model_is_read_back_whole(void **state) {
  (void)state;
  comity_loaded_model loaded;
  assert_int_equal(comity_model_read(path, &loaded), COMITY_OK);
  assert_int_equal(comity_model_parameters(loaded.model), comity_model_parameters(model));
  assert_memory_equal(loaded.parameters, parameters, comity_model_parameters(model) * sizeof *parameters);
  assert_memory_equal(loaded.mean, mean, sizeof mean);
  assert_memory_equal(loaded.inverse, inverse, sizeof inverse);
  assert_true(loaded.scale == 0.5 && loaded.round == 12);
  assert_string_equal(loaded.job, job);
  assert_int_equal(comity_model_describe(loaded.model)->classes, 3);
  comity_loaded_model_clear(&loaded);
  assert_null(loaded.model);
}

static void tensors_lie_where_the_file_says(void **state) {
  (void)state;
  hid_t file;
  size_t count = comity_model_tensors(model);
  uint64_t offset[16], shape[16][COMITY_SHAPE_MAX];
  assert_true(count >= 4 && count <= 16);
  assert_int_equal(comity_h5_open(path, &file), COMITY_OK);
  assert_int_equal(comity_h5_read(path, file, "tensors/offset", H5T_NATIVE_UINT64, count, offset), COMITY_OK);
  assert_int_equal(
      comity_h5_read(path, file, "tensors/shape", H5T_NATIVE_UINT64, count * COMITY_SHAPE_MAX, shape),
      COMITY_OK);
  for (size_t i = 0; i < count; i++) {
    const comity_tensor *tensor = comity_model_tensor(model, i);
    assert_int_equal(offset[i], tensor->offset);
    for (size_t k = 0; k < COMITY_SHAPE_MAX; k++)
      assert_int_equal(shape[i][k], k < tensor->rank ? tensor->shape[k] : 0);
  }
  H5Fclose(file);
}

static void without_standardisation_there_is_none(void **state) {
  (void)state;
  comity_loaded_model loaded;
  comity_model_file file = {.model = model, .parameters = parameters, .scale = 0.5, .job = job};
  assert_int_equal(comity_model_write(path, &file), COMITY_OK);
  assert_int_equal(comity_model_read(path, &loaded), COMITY_OK);
  assert_null(loaded.mean);
  assert_null(loaded.inverse);
  comity_loaded_model_clear(&loaded);
  file.mean = mean;
  assert_int_equal(comity_model_write(path, &file), COMITY_ERR_ARG);
}

static void the_hash_is_of_the_parameters_alone(void **state) {
  (void)state;
  uint8_t expected[COMITY_HASH_BYTES], found[COMITY_HASH_BYTES];
  assert_int_equal(
      comity_hash_bytes(parameters, comity_model_parameters(model) * sizeof *parameters, expected),
      COMITY_OK);
  assert_int_equal(comity_model_hash(path, found), COMITY_OK);
  assert_memory_equal(found, expected, sizeof found);
  comity_model_file file = {.model = model, .parameters = parameters, .scale = 1, .round = 99, .job = job};
  assert_int_equal(comity_model_write(path, &file), COMITY_OK);
  assert_int_equal(comity_model_hash(path, found), COMITY_OK);
  assert_memory_equal(found, expected, sizeof found);
  parameters[3] = nextafterf(parameters[3], 1);
  assert_int_equal(comity_model_write(path, &file), COMITY_OK);
  assert_int_equal(comity_model_hash(path, found), COMITY_OK);
  assert_memory_not_equal(found, expected, sizeof found);
}

static void what_is_no_model_is_refused_by_name(void **state) {
  (void)state;
  comity_loaded_model loaded;
  uint8_t digest[COMITY_HASH_BYTES];
  assert_int_equal(comity_model_read("/nowhere/model.h5", &loaded), COMITY_ERR_NOT_FOUND);
  assert_int_equal(comity_model_hash("/nowhere/model.h5", digest), COMITY_ERR_NOT_FOUND);
  assert_non_null(strstr(comity_error_message(), "/nowhere/model.h5"));
  assert_int_equal(comity_model_hash(folder, digest), COMITY_ERR_CHECKPOINT);
  assert_int_equal(truncate(path, 1000), 0);
  assert_int_equal(comity_model_read(path, &loaded), COMITY_ERR_DATA);
  assert_non_null(strstr(comity_error_message(), path));
  hid_t file;
  assert_int_equal(comity_h5_create(path, &file), COMITY_OK);
  assert_int_equal(comity_h5_close(path, file), COMITY_OK);
  assert_int_equal(comity_model_read(path, &loaded), COMITY_ERR_DATA);
  assert_non_null(strstr(comity_error_message(), "is not a model file"));
  assert_int_equal(comity_model_hash(path, digest), COMITY_ERR_DATA);
}

/* A file whose parts do not belong together: the job builds another model than the parameters are of. */
static void a_job_of_another_model_is_refused(void **state) {
  (void)state;
  comity_loaded_model loaded;
  comity_model_file file = {
      .model = model, .parameters = parameters, .scale = 0.5, .job = "model:\n  preset: logistic\n"};
  assert_int_equal(comity_model_write(path, &file), COMITY_OK);
  assert_int_equal(comity_model_read(path, &loaded), COMITY_ERR_DATA);
  assert_non_null(strstr(comity_error_message(), "43 parameters"));
  file.job = "model:\n  presett: logistic\n";
  assert_int_equal(comity_model_write(path, &file), COMITY_OK);
  assert_int_equal(comity_model_read(path, &loaded), COMITY_ERR_DATA);
  assert_non_null(strstr(comity_error_message(), path));
}

static void a_failed_write_leaves_the_file_before(void **state) {
  (void)state;
  char aside[128];
  comity_loaded_model loaded;
  comity_model_file file = {.model = model, .parameters = parameters, .scale = 1, .job = job};
  snprintf(aside, sizeof aside, "%s.part", path);
  assert_int_equal(comity_folder_make(aside), COMITY_OK); /* a folder is where the file should go */
  assert_int_not_equal(comity_model_write(path, &file), COMITY_OK);
  assert_int_equal(comity_model_read(path, &loaded), COMITY_OK);
  assert_true(loaded.scale == 0.5);
  comity_loaded_model_clear(&loaded);
}

int main(void) {
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      WITH_FILE(a_model_is_read_back_whole),
      WITH_FILE(tensors_lie_where_the_file_says),
      WITH_FILE(without_standardisation_there_is_none),
      WITH_FILE(the_hash_is_of_the_parameters_alone),
      WITH_FILE(what_is_no_model_is_refused_by_name),
      WITH_FILE(a_job_of_another_model_is_refused),
      WITH_FILE(a_failed_write_leaves_the_file_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
