/* Resolved jobs read back as the same job, and differences between jobs are named. */
#include "test.h"

#include <comity/config.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static comity_config *read_job(const char *yaml) {
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  comity_status status = comity_config_parse(config, "job.yaml", yaml, strlen(yaml));
  if (status != COMITY_OK)
    fail_msg("%s", comity_error_message());
  return config;
}

static char *written(const comity_config *config, const char *prefix) {
  char *yaml;
  assert_int_equal(comity_config_write(config, prefix, &yaml), COMITY_OK);
  return yaml;
}

static char *difference_of(const comity_config *ours, const comity_config *theirs) {
  char *difference;
  assert_int_equal(comity_config_compare(ours, theirs, &difference), COMITY_OK);
  return difference;
}

static void resolved_jobs_read_back_the_same(void **state) {
  (void)state;
  const char *const jobs[] = {
      "",
      "seed: 9007199254740992\ntrain.learning_rate: 0.1\nmodel.l2: 1.2345678901234567e-5\nserver.target: "
      ".inf",
      "server: {target: -.inf}\nalgorithm.tau: 1e-300\ntrain.momentum: 0.30000000000000004",
      "model.layers: [{type: conv2d, kernel: [5, 5], units: 200}, relu, {'a b': 'true', \"\\n\": '~', x: "
      "''}]",
      "data.path: ['{rank}.h5', 'a: b', '# no', '- x', \"two\\nlines\", 'null', ' led', \"caf\\u00e9 "
      "\\U0001F600\"]",
      "data: {x: 'null', y: 'yes', test: \"\\x01\\t\\uFEFF\\u2028\"}\nrun.dir: |\n  a\n  b\n",
      "algorithm.name: '123'\nrun.dir: '~'\ndata.x: '1e5'\ndata.y: \"'\"",
  };
  for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
    comity_config *config = read_job(jobs[i]);
    char *yaml = written(config, NULL);
    comity_config *copy = read_job(yaml);
    char *again = written(copy, NULL), *difference = difference_of(config, copy);
    assert_string_equal(again, yaml);
    assert_string_equal(difference, "");
    size_t count;
    const comity_setting *settings = comity_setting_list(&count);
    for (size_t s = 0; s < count; s++)
      assert_int_equal(comity_config_given(config, settings[s].key),
                       comity_config_given(copy, settings[s].key));
    comity_free(difference);
    comity_free(again);
    comity_free(yaml);
    comity_config_destroy(&copy);
    comity_config_destroy(&config);
  }
}

static void texts_come_back_letter_by_letter(void **state) {
  (void)state;
  comity_config *config = read_job("run.dir: \"a\\tb\\n\\x07 'q' \\\"d\\\" \\\\\"\ndata.x: 'NULL'");
  char *yaml = written(config, NULL);
  comity_config *copy = read_job(yaml);
  assert_string_equal(comity_config_text(copy, "run.dir"), "a\tb\n\a 'q' \"d\" \\");
  assert_string_equal(comity_config_text(copy, "data.x"), "NULL");
  comity_free(yaml);
  comity_config_destroy(&copy);
  comity_config_destroy(&config);
}

static void a_prefix_picks_settings(void **state) {
  (void)state;
  comity_config *config = read_job("model: {hidden: [64, 32], layers: [{type: dense, units: 3}, relu]}");
  char *yaml = written(config, "model.");
  assert_string_equal(yaml,
                      "model:\n  preset: none\n  hidden: [64, 32]\n  layers:\n  - {type: dense, units: 3}\n"
                      "  - {type: relu}\n  loss: auto\n  l2: 0\n  init: uniform\n  kernels: auto\n");
  comity_free(yaml);
  yaml = written(config, "seed");
  assert_string_equal(yaml, "seed: 1\n");
  comity_free(yaml);
  yaml = written(config, "nothing");
  comity_config *copy = read_job(yaml);
  comity_config_destroy(&copy);
  comity_free(yaml);
  comity_config_destroy(&config);
}

static void paths_are_written_absolute(void **state) {
  (void)state;
  comity_config *config = read_job("data.path: a.h5");
  char *yaml = written(config, "data.path");
  assert_non_null(strstr(yaml, "path: [/"));
  comity_free(yaml);
  comity_config_destroy(&config);
}

static void differences_that_change_results_are_named(void **state) {
  (void)state;
  comity_config *ours =
      read_job("seed: 1\ntrain.learning_rate: 0.5\nmodel.layers: [{type: dense, units: 3}]\n"
               "server.rounds: 5\nrun.dir: a\ndata.path: /x.h5");
  comity_config *theirs =
      read_job("seed: 2\ntrain.learning_rate: 5e-1\nmodel.layers: [{units: 3, type: dense}]\n"
               "server.rounds: 50\nrun.dir: b\ndata.path: [/x.h5, /y.h5]");
  char *difference = difference_of(ours, theirs);
  assert_string_equal(difference,
                      "seed: '1' here, '2' there; data.path: '[/x.h5]' here, '[/x.h5, /y.h5]' there");
  comity_free(difference);
  difference = difference_of(ours, ours);
  assert_string_equal(difference, "");
  comity_free(difference);
  comity_config_destroy(&ours);
  comity_config_destroy(&theirs);
}

/* A program that uses the library may have set a locale with decimal commas. */
static void numbers_do_not_follow_the_locale(void **state) {
  (void)state;
  const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_AT.UTF-8"};
  bool found = false;
  for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
    found = setlocale(LC_ALL, names[i]) != NULL;
  if (!found)
    skip();
  comity_config *config = read_job("train.learning_rate: 0.25");
  assert_true(comity_config_real(config, "train.learning_rate") == 0.25);
  char *yaml = written(config, "train.learning_rate");
  setlocale(LC_ALL, "C");
  assert_string_equal(yaml, "train:\n  learning_rate: 0.25\n");
  comity_free(yaml);
  comity_config_destroy(&config);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(resolved_jobs_read_back_the_same),
      cmocka_unit_test(texts_come_back_letter_by_letter),
      cmocka_unit_test(a_prefix_picks_settings),
      cmocka_unit_test(paths_are_written_absolute),
      cmocka_unit_test(differences_that_change_results_are_named),
      cmocka_unit_test(numbers_do_not_follow_the_locale),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
