/* Reading jobs: what is accepted, and what every mistake is told. */
#include "test.h"

#include <comity/config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static comity_config *fresh(void) {
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  return config;
}

static comity_config *read_job(const char *yaml) {
  comity_config *config = fresh();
  comity_status status = comity_config_parse(config, "job.yaml", yaml, strlen(yaml));
  if (status != COMITY_OK)
    fail_msg("%s", comity_error_message());
  return config;
}

static void groups_nest_or_are_written_out(void **state) {
  (void)state;
  const char *const jobs[] = {"server: {rounds: 5}",
                              "server.rounds: 5",
                              "server:\n  rounds: 5\n",
                              "'server': {\"rounds\": '5'}",
                              "server.rounds: 5e0",
                              "\xef\xbb\xbfserver.rounds: +5\r\n",
                              "%YAML 1.1\n---\nserver.rounds: 5.0\n..."};
  for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
    comity_config *config = read_job(jobs[i]);
    assert_int_equal(comity_config_integer(config, "server.rounds"), 5);
    assert_true(comity_config_given(config, "server.rounds"));
    comity_config_destroy(&config);
  }
}

static void empty_jobs_and_groups_leave_the_defaults(void **state) {
  (void)state;
  const char *const jobs[] = {"", "# nothing\n", "---\n", "{}", "server:\n  # rounds: 5\ndata: {}\n", "~"};
  for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
    comity_config *config = read_job(jobs[i]);
    assert_int_equal(comity_config_integer(config, "server.rounds"), 10);
    assert_false(comity_config_given(config, "server.rounds"));
    comity_config_destroy(&config);
  }
}

static void values_have_their_types(void **state) {
  (void)state;
  comity_config *config = read_job("seed: 9007199254740991\n"
                                   "run: {log_ranks: true, log_level: debug, dir: 'a b'}\n"
                                   "train:\n  learning_rate: 1e-3\n  batch: 1e3\n"
                                   "server: {target: -.5}\n"
                                   "data.path: [/a.h5, /b.h5]\ndata.test:\n"
                                   "model.hidden: 128\n");
  assert_true(comity_config_integer(config, "seed") == INT64_C(9007199254740991));
  assert_true(comity_config_flag(config, "run.log_ranks"));
  assert_string_equal(comity_config_text(config, "run.log_level"), "debug");
  assert_string_equal(comity_config_text(config, "run.dir"), "a b");
  assert_true(comity_config_real(config, "train.learning_rate") == 1e-3);
  assert_int_equal(comity_config_integer(config, "train.batch"), 1000);
  assert_true(comity_config_real(config, "server.target") == -0.5);
  assert_int_equal(comity_config_length(config, "data.path"), 2);
  assert_string_equal(comity_config_text_at(config, "data.path", 1), "/b.h5");
  assert_string_equal(comity_config_text(config, "data.test"), "");
  assert_int_equal(comity_config_length(config, "model.hidden"), 1);
  assert_string_equal(comity_config_text_at(config, "model.hidden", 0), "128");
  assert_string_equal(comity_config_origin(config, "train.batch"), "job.yaml:5:3");
  assert_string_equal(comity_config_origin(config, "server.rounds"), "default");
  comity_config_destroy(&config);
  config = fresh();
  assert_true(isnan(comity_config_real(config, "server.target")));
  comity_config_destroy(&config);
}

static void items_are_mappings_words_and_inner_lists(void **state) {
  (void)state;
  comity_config *config = read_job("model.layers:\n"
                                   "  - {type: conv2d, kernel: [5, 5], note: ~}\n"
                                   "  - relu\n"
                                   "  - type: dense\n    units: 200\n");
  assert_int_equal(comity_config_length(config, "model.layers"), 3);
  assert_string_equal(comity_config_item(config, "model.layers", 0, "kernel"), "5,5");
  assert_string_equal(comity_config_item(config, "model.layers", 0, "note"), "");
  assert_string_equal(comity_config_item(config, "model.layers", 1, "type"), "relu");
  assert_null(comity_config_item(config, "model.layers", 1, "units"));
  assert_string_equal(comity_config_item_name(config, "model.layers", 2, 1), "units");
  assert_null(comity_config_item_name(config, "model.layers", 2, 2));
  assert_string_equal(comity_config_item_origin(config, "model.layers", 2), "job.yaml:4:5");
  comity_config_destroy(&config);
}

/* The whole message, or its beginning when the sentence goes on. */
static const struct {
  const char *yaml, *message;
} bad[] = {
    {"seed: 1\nserver:\n  round: 5\n",
     "job.yaml:3:3: unknown setting 'server.round'; did you mean 'server.rounds'? 'comity help' lists all"},
    {"rounds: 5", "job.yaml:1:1: unknown setting 'rounds'; did you mean 'server.rounds'?"},
    {"servr:\n  rounds: 5", "job.yaml:1:1: unknown setting 'servr'; did you mean 'server'?"},
    {"'': 1", "job.yaml:1:1: unknown setting ''"},
    {"<<: {seed: 1}", "job.yaml:1:1: unknown setting '<<'"},
    {"seed: ten", "job.yaml:1:7: 'seed' needs a whole number, got 'ten'"},
    {"seed: 1.5", "job.yaml:1:7: 'seed' needs a whole number, got '1.5'"},
    {"seed: 1_000", "job.yaml:1:7: 'seed' needs a whole number, got '1_000'"},
    {"seed: 0x10", "job.yaml:1:7: 'seed' needs a whole number, got '0x10'"},
    {"seed: .inf", "job.yaml:1:7: 'seed' needs a whole number, got '.inf'"},
    {"seed: '1 '", "job.yaml:1:7: 'seed' needs a whole number, got '1 '"},
    {"seed:", "job.yaml:1:6: 'seed' has no value; it needs a whole number"},
    {"seed: -1", "job.yaml:1:7: 'seed' must lie between 0 and 9007199254740992, got -1"},
    {"seed: 9007199254740993", "job.yaml:1:7: 'seed' cannot be as large as 9007199254740993"},
    {"seed: 1e300", "job.yaml:1:7: 'seed' must lie between"},
    {"seed: 1e999", "job.yaml:1:7: 'seed' needs a whole number"},
    {"seed: [1]", "job.yaml:1:7: 'seed' needs a whole number, got a list"},
    {"server:\n  rounds:\n    {a: {b: {c: 1}}}",
     "job.yaml:3:5: 'server.rounds' needs a whole number, got a mapping"},
    {"server: {rounds: 0}", "job.yaml:1:18: 'server.rounds' must lie between 1 and 1e+12 rounds, got 0"},
    {"server: 5", "job.yaml:1:9: 'server' is a group of settings and needs a mapping, got a single value"},
    {"server: [5]", "job.yaml:1:9: 'server' is a group of settings and needs a mapping, got a list"},
    {"train.learning_rate: fast", "job.yaml:1:22: 'train.learning_rate' needs a number, got 'fast'"},
    {"train.learning_rate: 1e", "job.yaml:1:22: 'train.learning_rate' needs a number, got '1e'"},
    {"train.learning_rate: .", "job.yaml:1:22: 'train.learning_rate' needs a number, got '.'"},
    {"train.learning_rate: 0,1", "job.yaml:1:22: 'train.learning_rate' needs a number, got '0,1'"},
    {"train.learning_rate: nan", "job.yaml:1:22: 'train.learning_rate' needs a number, got 'nan'"},
    {"train.learning_rate: .nan",
     "job.yaml:1:22: 'train.learning_rate' must lie between 0 and 1e+06, got .nan"},
    {"train.learning_rate: 1e999", "job.yaml:1:22: 'train.learning_rate' is too large for a number: 1e999"},
    {"run.log_ranks: yes", "job.yaml:1:16: 'run.log_ranks' needs true or false, got 'yes'"},
    {"run.log_level: inof",
     "job.yaml:1:16: 'run.log_level' must be one of error|warn|info|debug, got 'inof'; did you mean 'info'?"},
    {"run.log_level: ~",
     "job.yaml:1:16: 'run.log_level' has no value; it must be one of error|warn|info|debug"},
    {"run.dir: [a]", "job.yaml:1:10: 'run.dir' needs a text, got a list"},
    {"seed: 1\nseed: 2", "job.yaml:2:1: 'seed' is given twice, first at job.yaml:1:1"},
    {"server.rounds: 1\nserver: {rounds: 1}",
     "job.yaml:2:10: 'server.rounds' is given twice, first at job.yaml:1:1"},
    {"server: {rounds: 1}\nserver: {patience: 1}",
     "job.yaml:2:1: 'server' is given twice, first at job.yaml:1:1"},
    {"- seed", "job.yaml:1:1: a job is a mapping of settings, such as 'seed: 1', got a list"},
    {"seed", "job.yaml:1:1: a job is a mapping of settings, such as 'seed: 1', got a single value"},
    {"? [seed]\n: 1", "job.yaml:1:3: a setting's name is needed here, got a list"},
    {"data.path: {a: 1}", "job.yaml:1:12: 'data.path' needs a text or a list of texts, got a mapping"},
    {"data.path: [a, [b]]", "job.yaml:1:16: each element of 'data.path' must be a text, got a list"},
    {"data.path: [a, {rank}]",
     "job.yaml:1:16: each element of 'data.path' must be a text, got a mapping; quote it"},
    {"data.path: [a, '']", "job.yaml:1:16: an element of 'data.path' is empty"},
    {"model.layers: dense", "job.yaml:1:15: 'model.layers' needs a list of mappings, got a single value"},
    {"model.layers: {type: dense}", "job.yaml:1:15: 'model.layers' needs a list of mappings, got a mapping"},
    {"model.layers: [[dense]]", "job.yaml:1:16: an item of 'model.layers' must be a mapping"},
    {"model.layers:\n  -\n", "job.yaml:2:4: an item of 'model.layers' must be a mapping"},
    {"model.layers: [{}]", "job.yaml:1:16: an item of 'model.layers' is empty"},
    {"model.layers: [{type: a, type: b}]",
     "job.yaml:1:26: 'type' is given twice in one item of 'model.layers'"},
    {"model.layers: [{type: {a: b}}]",
     "job.yaml:1:23: 'type' in an item of 'model.layers' must be a single value"},
    {"model.layers: [{kernel: [[5]]}]",
     "job.yaml:1:26: a list inside an item of 'model.layers' may hold only"},
    {"model.layers: [{kernel: []}]", "job.yaml:1:25: a list inside an item of 'model.layers' is empty"},
    {"seed: &a 1", "job.yaml:1:7: anchors (&) and aliases (*) are not supported"},
    {"server: &a {rounds: 1}", "job.yaml:1:9: anchors (&) and aliases (*) are not supported"},
    {"seed: *a", "job.yaml:1:7: anchors (&) and aliases (*) are not supported"},
    {"seed: !!int 1", "job.yaml:1:7: tags (!) are not supported"},
    {"data.path: !list [a]", "job.yaml:1:12: tags (!) are not supported"},
    {"seed: 1\n---\nseed: 2", "job.yaml:2:1: a second document begins here; a job is a single one"},
    {"server:\n\trounds: 5", "job.yaml:2:1: a tab where YAML allows only spaces"},
    {"server:\n  rounds: 5\n seed: 1", "job.yaml:3:2: not valid YAML: "},
    {"server: {rounds: 5", "job.yaml:2:1: not valid YAML: while parsing a flow mapping that begins at line "
                           "1, column 9: did not find"},
    {"run.dir: 'a", "job.yaml:1:12: not valid YAML: while scanning a quoted scalar that begins at line 1, "
                    "column 10: found unexpected end"},
    {"seed: 1\nrun.dir: caf\xe9\n", "job.yaml:2:13: not valid UTF-8 text "},
    {"seed: 1\nrun.dir: \x01\n", "job.yaml:2:10: not valid UTF-8 text "},
    {"run.dir: \"a\\0b\"", "job.yaml:1:10: a text with a NUL character"},
};

static void mistakes_are_named_by_line_and_column(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    comity_config *config = fresh();
    assert_int_equal(comity_config_parse(config, "job.yaml", bad[i].yaml, strlen(bad[i].yaml)),
                     COMITY_ERR_CONFIG);
    if (strncmp(comity_error_message(), bad[i].message, strlen(bad[i].message)) != 0)
      fail_msg("for <<%s>>\n  expected %s\n  got      %s", bad[i].yaml, bad[i].message,
               comity_error_message());
    comity_config_destroy(&config);
  }
}

static void a_bad_job_changes_nothing(void **state) {
  (void)state;
  comity_config *config = read_job("server.rounds: 7");
  const char *yaml = "server.rounds: 8\nseed: x";
  assert_int_equal(comity_config_parse(config, "job.yaml", yaml, strlen(yaml)), COMITY_ERR_CONFIG);
  assert_int_equal(comity_config_integer(config, "server.rounds"), 7);
  assert_int_equal(comity_config_override(config, "server.rounds=x"), COMITY_ERR_CONFIG);
  assert_int_equal(comity_config_integer(config, "server.rounds"), 7);
  comity_config_destroy(&config);
}

static void overrides_win_and_say_where_they_come_from(void **state) {
  (void)state;
  comity_config *config = read_job("server.rounds: 7\ndata.path: [/a, /b]\ndata.test: /t");
  assert_int_equal(comity_config_override(config, "server.rounds=8"), COMITY_OK);
  assert_int_equal(comity_config_override(config, "server.rounds=1e1"), COMITY_OK);
  assert_int_equal(comity_config_integer(config, "server.rounds"), 10);
  assert_string_equal(comity_config_origin(config, "server.rounds"), "command line");
  assert_int_equal(comity_config_override(config, "data.path=[/c, /d, /e=f]"), COMITY_OK);
  assert_int_equal(comity_config_length(config, "data.path"), 3);
  assert_string_equal(comity_config_text_at(config, "data.path", 2), "/e=f");
  assert_int_equal(comity_config_override(config, "data.path="), COMITY_OK);
  assert_int_equal(comity_config_length(config, "data.path"), 0);
  assert_int_equal(comity_config_override(config, "data.test="), COMITY_OK);
  assert_string_equal(comity_config_text(config, "data.test"), "");
  assert_int_equal(comity_config_override(config, "run.dir={rank}'s"), COMITY_OK);
  assert_string_equal(comity_config_text(config, "run.dir"), "{rank}'s");
  assert_int_equal(comity_config_override(config, "model.layers=[{type: dense, units: 3}, relu]"), COMITY_OK);
  assert_int_equal(comity_config_length(config, "model.layers"), 2);
  comity_config_destroy(&config);
}

static void bad_overrides_are_refused(void **state) {
  (void)state;
  const struct {
    const char *assignment, *message;
    comity_status status;
  } cases[] = {
      {"server.rounds", "command line: 'server.rounds' is not of the form key=value", COMITY_ERR_USAGE},
      {"=5", "command line: '=5' is not of the form key=value", COMITY_ERR_USAGE},
      {"server.round=5", "command line: unknown setting 'server.round'; did you mean 'server.rounds'?",
       COMITY_ERR_CONFIG},
      {"server={rounds: 5}",
       "command line: 'server' is a group of settings; give one of them, as in server.rounds=",
       COMITY_ERR_CONFIG},
      {"server.rounds=x", "command line: 'server.rounds' needs a whole number, got 'x'", COMITY_ERR_CONFIG},
      {"server.rounds=", "command line: 'server.rounds' has no value", COMITY_ERR_CONFIG},
      {"run.dir='a", "command line: 'run.dir': not valid YAML: ", COMITY_ERR_CONFIG},
      {"run.dir=*x", "command line: 'run.dir': anchors", COMITY_ERR_CONFIG},
      {"run.dir=a: b", "command line: 'run.dir' needs a text, got a mapping", COMITY_ERR_CONFIG},
  };
  comity_config *config = fresh();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(comity_config_override(config, cases[i].assignment), cases[i].status);
    if (strncmp(comity_error_message(), cases[i].message, strlen(cases[i].message)) != 0)
      fail_msg("expected %s\n  got      %s", cases[i].message, comity_error_message());
  }
  comity_config_destroy(&config);
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

static void paths_start_at_the_job_file_or_the_working_directory(void **state) {
  (void)state;
  char folder[] = "/tmp/comity-config-XXXXXX", here[4096];
  assert_non_null(mkdtemp(folder));
  char *job = comity_text("%s/job.yaml", folder);
  write_file(job, "data: {path: [a.h5, ../b//./c.h5, /d.h5], test: t/}\nrun.dir: out\n");
  comity_config *config = fresh();
  assert_int_equal(comity_config_load(config, job), COMITY_OK);
  char *expected = comity_text("%s/a.h5", folder), *resolved;
  assert_string_equal(comity_config_text_at(config, "data.path", 0), expected);
  assert_string_equal(comity_config_text_at(config, "data.path", 1), "/tmp/b/c.h5");
  assert_string_equal(comity_config_text_at(config, "data.path", 2), "/d.h5");
  assert_string_equal(comity_config_text(config, "run.dir"), "out");
  assert_int_equal(comity_config_resolve_path(config, "data.path", "a.h5", &resolved), COMITY_OK);
  assert_string_equal(resolved, expected);
  comity_free(resolved);
  comity_free(expected);

  assert_int_equal(comity_config_override(config, "data.test=x/../t.h5"), COMITY_OK);
  assert_non_null(getcwd(here, sizeof here));
  expected = comity_text("%s/t.h5", here);
  assert_string_equal(comity_config_text(config, "data.test"), expected);
  comity_free(expected);
  assert_int_equal(
      comity_config_resolve_path(config, "data.test", "../../../../../../../../../../../q", &resolved),
      COMITY_OK);
  assert_string_equal(resolved, "/q");
  comity_free(resolved);
  comity_config_destroy(&config);
  unlink(job);
  rmdir(folder);
  comity_free(job);
}

static void files_that_are_no_job_are_refused(void **state) {
  (void)state;
  char folder[] = "/tmp/comity-config-XXXXXX";
  assert_non_null(mkdtemp(folder));
  comity_config *config = fresh();
  char *path = comity_text("%s/none.yaml", folder);
  assert_int_equal(comity_config_load(config, path), COMITY_ERR_NOT_FOUND);
  assert_non_null(strstr(comity_error_message(), "none.yaml: cannot open the job file"));
  assert_int_equal(comity_config_load(config, folder), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "not a file"));
  assert_int_equal(comity_config_load(config, "/dev/zero"), COMITY_ERR_CONFIG);
  write_file(path, "");
  assert_int_equal(truncate(path, (off_t)1 << 40), 0);
  assert_int_equal(comity_config_load(config, path), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "larger than 16 MiB"));
  unlink(path);
  rmdir(folder);
  comity_free(path);
  comity_config_destroy(&config);
}

/* Brackets as deep as the file is long end at the first that no setting wants. */
static void deep_nesting_is_refused_at_once(void **state) {
  (void)state;
  enum { DEEP = 1000000 };
  char *yaml = comity_array(DEEP + 20, 1);
  strcpy(yaml, "data.path: ");
  memset(yaml + strlen(yaml), '[', DEEP);
  comity_config *config = fresh();
  assert_int_equal(comity_config_parse(config, "job.yaml", yaml, strlen(yaml)), COMITY_ERR_CONFIG);
  assert_non_null(
      strstr(comity_error_message(), "job.yaml:1:13: each element of 'data.path' must be a text"));
  comity_config_destroy(&config);
  comity_free(yaml);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(groups_nest_or_are_written_out),
      cmocka_unit_test(empty_jobs_and_groups_leave_the_defaults),
      cmocka_unit_test(values_have_their_types),
      cmocka_unit_test(items_are_mappings_words_and_inner_lists),
      cmocka_unit_test(mistakes_are_named_by_line_and_column),
      cmocka_unit_test(a_bad_job_changes_nothing),
      cmocka_unit_test(overrides_win_and_say_where_they_come_from),
      cmocka_unit_test(bad_overrides_are_refused),
      cmocka_unit_test(paths_start_at_the_job_file_or_the_working_directory),
      cmocka_unit_test(files_that_are_no_job_are_refused),
      cmocka_unit_test(deep_nesting_is_refused_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
