/* Contradictions between settings are refused with both places and the reason. */
#include "test.h"

#include <comity/config.h>

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#define GOOD "data.path: /a.h5\nmodel.preset: logistic\n"
#define KEY "comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= one"

static const char *const good[] = {
    GOOD,
    GOOD "clients: {fraction: 0, per_round: 0}",
    GOOD "clients: {fraction: 1, per_round: 5}\nround.min_clients: 5",
    GOOD "clients.select: all",
    GOOD "clients.straggler_policy: partial\nround: {deadline: 3x, over_selection: 1.3}",
    GOOD "faults: {schedule: [corrupt 0.1, 'drop clients 1,2'], seed: 3}",
    GOOD "train: {steps: 5, epochs: 1}",
    GOOD "train: {nesterov: true, momentum: 0.9, schedule: step, decay: 0.5, decay_rounds: 7}",
    GOOD "train: {schedule: cosine, decay_rounds: 7}",
    GOOD "evaluate.every: 0\nserver: {metric: train_loss, patience: 3, min_delta: 0.1, target: 0.5}",
    GOOD "evaluate: {every: 0, clients_every: 2}\nserver.patience: 3",
    GOOD "clients: {straggler_share: 0.5, straggler_policy: drop}\ntrain.epochs: 2",
    "data: {path: '{rank}.h5', silos: 3}\nmodel.layers: [{type: dense, units: 3}]\n",
    "data.path: [/a.h5, /b.h5]\nmodel: {preset: mlp, hidden: [8, 1e2]}\n",
    GOOD "silos: {keys: [" KEY ", /two.pub], server_key: /server.key, clients: 3}",
    GOOD "silos:\n  server_key: /server.key\n  keys:\n  - " KEY "\n  - /two.pub",
};

static const struct {
  const char *yaml, *message;
} bad[] = {
    {"model.preset: mlp", "'data.path' is missing"},
    {"data.path: /a.h5", "the model is missing: give 'model.preset' or 'model.layers'"},
    {GOOD "model.layers: [relu]",
     "job.yaml:2:1: 'model.preset' contradicts 'model.layers' (job.yaml:3:1): the model is"},
    {GOOD "model.hidden: [8]",
     "job.yaml:3:1: 'model.hidden' has no effect with 'model.preset' as it is (job.yaml:2:1)"},
    {"data.path: /a\nmodel: {preset: mlp, hidden: [8, x]}",
     "job.yaml:2:34: 'model.hidden' needs whole numbers from 1"},
    {"data.path: /a\nmodel: {preset: mlp, hidden: 0}",
     "job.yaml:2:30: 'model.hidden' needs whole numbers from 1"},
    {"data.path: [/a, /b, /a]", "job.yaml:1:21: 'data.path' lists /a twice"},
    {"data.path: ['/{rank}', /b]", "job.yaml:1:1: 'data.path' has a {rank} pattern beside other paths"},
    {GOOD "data.silos: 3",
     "job.yaml:3:1: 'data.silos' has no effect with 'data.path' as it is (job.yaml:1:1)"},
    {GOOD "data.test: 'x{rank}'", "job.yaml:3:1: 'data.test' may not hold {rank}"},
    {GOOD "data: {x: a, y: a}", "job.yaml:3:8: 'data.x' contradicts 'data.y' (job.yaml:3:14)"},
    {GOOD "faults.seed: 3", "job.yaml:3:1: 'faults.seed' has no effect with 'faults.schedule'"},
    {GOOD "run.dir: ''", "job.yaml:3:1: 'run.dir' is empty"},
    {GOOD "silos.keys: [/a.pub, " KEY "]",
     "job.yaml:3:1: 'silos.keys' contradicts 'silos.server_key' (default): silos that join"},
    {GOOD "silos: {server_key: /s, keys: [/a.pub, comity-ed25519 AAAA one]}",
     "job.yaml:3:40: the second word of a key's line"},
    {GOOD "silos: {server_key: /s, keys: [comity-ed25519-secret AAAA one]}",
     "job.yaml:3:32: this is a secret key"},
    {GOOD "silos.clients: 2", "job.yaml:3:1: 'silos.clients' has no effect with 'silos.keys' as it is"},
    {GOOD "clients: {fraction: 0.5, per_round: 5}",
     "job.yaml:3:11: 'clients.fraction' contradicts 'clients.per_round' (job.yaml:3:26): both say how many"},
    {GOOD "clients: {select: all, fraction: 0.5}",
     "job.yaml:3:24: 'clients.fraction' contradicts 'clients.select'"},
    {GOOD "clients: {select: all, per_round: 5}",
     "job.yaml:3:24: 'clients.per_round' contradicts 'clients.select'"},
    {GOOD "clients.select: all\nround.over_selection: 1.3",
     "job.yaml:4:1: 'round.over_selection' contradicts 'clients.select' (job.yaml:3:1)"},
    {GOOD "clients.per_round: 5\nround.min_clients: 6",
     "job.yaml:4:1: 'round.min_clients' contradicts 'clients.per_round' (job.yaml:3:1)"},
    {GOOD "clients.fraction: 0\nround.min_clients: 2",
     "job.yaml:4:1: 'round.min_clients' contradicts 'clients.fraction'"},
    {GOOD "train: {steps: 5, epochs: 2}",
     "job.yaml:3:9: 'train.steps' contradicts 'train.epochs' (job.yaml:3:19)"},
    {GOOD "train.nesterov: true", "job.yaml:3:1: 'train.nesterov' contradicts 'train.momentum' (default)"},
    {GOOD "algorithm: {nesterov: true, server_momentum: 0}",
     "job.yaml:3:13: 'algorithm.nesterov' contradicts"},
    {GOOD "train.decay: 0.5",
     "job.yaml:3:1: 'train.decay' has no effect with 'train.schedule' as it is (default)"},
    {GOOD "train: {schedule: cosine, decay: 0.5}", "job.yaml:3:27: 'train.decay' has no effect"},
    {GOOD "train: {schedule: exponential, decay_rounds: 5}",
     "job.yaml:3:32: 'train.decay_rounds' has no effect"},
    {GOOD "clients.straggler_policy: drop", "job.yaml:3:1: 'clients.straggler_policy' has no effect"},
    {GOOD "clients.straggler_share: 0.5",
     "job.yaml:3:1: 'clients.straggler_share' contradicts 'train.epochs' (default)"},
    {GOOD "clients.straggler_share: 0.5\ntrain.steps: 9",
     "job.yaml:3:1: 'clients.straggler_share' contradicts 'train.steps' (job.yaml:4:1)"},
    {GOOD "server.min_delta: 0.5", "job.yaml:3:1: 'server.min_delta' has no effect with 'server.patience'"},
    {GOOD "server.target: .inf", "job.yaml:3:1: 'server.target' is infinite"},
    {GOOD "server.target: 0.9\nevaluate.every: 0",
     "job.yaml:3:1: 'server.target' contradicts 'evaluate.every' (job.yaml:4:1)"},
    {GOOD "server.patience: 3\nevaluate.every: 0",
     "job.yaml:3:1: 'server.patience' contradicts 'evaluate.every'"},
};

static comity_config *read_job(const char *yaml) {
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  comity_status status = comity_config_parse(config, "job.yaml", yaml, strlen(yaml));
  if (status != COMITY_OK)
    fail_msg("%s", comity_error_message());
  return config;
}

static void consistent_jobs_pass_and_their_resolved_copies_too(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    comity_config *config = read_job(good[i]);
    if (comity_config_check(config) != COMITY_OK)
      fail_msg("for <<%s>>: %s", good[i], comity_error_message());
    char *yaml;
    assert_int_equal(comity_config_write(config, NULL, &yaml), COMITY_OK);
    comity_config *copy = read_job(yaml);
    assert_int_equal(comity_config_check(copy), COMITY_OK);
    comity_config_destroy(&copy);
    comity_config_destroy(&config);
    comity_free(yaml);
  }
}

static void contradictions_are_refused_with_both_places(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    comity_config *config = read_job(bad[i].yaml);
    assert_int_equal(comity_config_check(config), COMITY_ERR_CONFIG);
    if (strncmp(comity_error_message(), bad[i].message, strlen(bad[i].message)) != 0)
      fail_msg("for <<%s>>\n  expected %s\n  got      %s", bad[i].yaml, bad[i].message,
               comity_error_message());
    comity_config_destroy(&config);
  }
}

static void an_override_is_named_as_the_other_place(void **state) {
  (void)state;
  comity_config *config = read_job(GOOD "train.epochs: 2");
  assert_int_equal(comity_config_override(config, "train.steps=5"), COMITY_OK);
  assert_int_equal(comity_config_check(config), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(),
                         "command line: 'train.steps' contradicts 'train.epochs' (job.yaml:3:1)"));
  comity_config_destroy(&config);
}

static size_t jobs_seen;

static int check_job(const char *path, const struct stat *about, int type, struct FTW *walk) {
  (void)about;
  (void)walk;
  size_t length = strlen(path);
  if (type != FTW_F || length < 5 || strcmp(path + length - 5, ".yaml") != 0)
    return 0;
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  if (comity_config_load(config, path) != COMITY_OK || comity_config_check(config) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  comity_config_destroy(&config);
  jobs_seen++;
  return 0;
}

static void every_job_that_comes_with_comity_is_consistent(void **state) {
  (void)state;
  const char *source = getenv("COMITY_SOURCE_DIR");
  if (source == NULL)
    skip();
  char *jobs = comity_text("%s/jobs", source);
  assert_int_equal(nftw(jobs, check_job, 16, FTW_PHYS), 0);
  assert_true(jobs_seen > 0);
  comity_free(jobs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(consistent_jobs_pass_and_their_resolved_copies_too),
      cmocka_unit_test(contradictions_are_refused_with_both_places),
      cmocka_unit_test(an_override_is_named_as_the_other_place),
      cmocka_unit_test(every_job_that_comes_with_comity_is_consistent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
