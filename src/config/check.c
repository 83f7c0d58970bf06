/* Settings that contradict each other, each with the reason and the place of both. Only what the settings
 * alone can tell; whether files, models and algorithms fit together is checked where they are opened. */
#include "config_impl.h"

#include <math.h>
#include <string.h>

static bool given(const comity_config *config, const char *key) { return comity_config_given(config, key); }

static bool is(const comity_config *config, const char *key, const char *word) {
  return strcmp(comity_config_text(config, key), word) == 0;
}

static comity_status clash(const comity_config *config, const char *key, const char *other,
                           const char *reason) {
  return comity_fail(COMITY_ERR_CONFIG, "%s: '%s' contradicts '%s' (%s): %s",
                     comity_config_origin(config, key), key, other, comity_config_origin(config, other),
                     reason);
}

static comity_status wrong(const comity_config *config, const char *key, const char *reason) {
  return comity_fail(COMITY_ERR_CONFIG, "%s: '%s' %s", comity_config_origin(config, key), key, reason);
}

static comity_status idle(const comity_config *config, const char *key, const char *other,
                          const char *reason) {
  return comity_fail(COMITY_ERR_CONFIG, "%s: '%s' has no effect with '%s' as it is (%s): %s",
                     comity_config_origin(config, key), key, other, comity_config_origin(config, other),
                     reason);
}

static comity_status check_paths(const comity_config *config) {
  size_t count = comity_config_length(config, "data.path"), patterns = 0;
  if (count == 0 && comity_config_length(config, "silos.keys") > 0)
    return COMITY_OK; /* silos bring their own */
  if (count == 0)
    return comity_fail(COMITY_ERR_CONFIG,
                       "'data.path' is missing: name the training data in the job file, or "
                       "as data.path=FILE on the command line");
  for (size_t i = 0; i < count; i++) {
    const char *path = comity_config_text_at(config, "data.path", i);
    patterns += strstr(path, "{rank}") != NULL;
    for (size_t j = 0; j < i && count <= 4096; j++) /* quadratic: leave huge lists to the file system */
      if (strcmp(path, comity_config_text_at(config, "data.path", j)) == 0)
        return comity_fail(COMITY_ERR_CONFIG,
                           "%s: 'data.path' lists %s twice; each file's clients count once",
                           comity_config_item_origin(config, "data.path", i), path);
  }
  if (patterns > 0 && count > 1)
    return wrong(config, "data.path",
                 "has a {rank} pattern beside other paths; give one pattern or a list of plain paths");
  if (patterns == 0 && comity_config_integer(config, "data.silos") > 0)
    return idle(config, "data.silos", "data.path", "only a path with {rank} stands for several files");
  if (strstr(comity_config_text(config, "data.test"), "{rank}") != NULL)
    return wrong(config, "data.test", "may not hold {rank}: the central test set is one file");
  if (given(config, "data.x") &&
      strcmp(comity_config_text(config, "data.x"), comity_config_text(config, "data.y")) == 0)
    return clash(config, "data.x", "data.y", "features and labels cannot be the same dataset");
  return COMITY_OK;
}

static comity_status check_model(const comity_config *config) {
  bool preset = !is(config, "model.preset", "none"),
       layers = comity_config_length(config, "model.layers") > 0;
  if (preset && layers)
    return clash(config, "model.preset", "model.layers", "the model is given twice; leave one of them out");
  if (!preset && !layers)
    return comity_fail(COMITY_ERR_CONFIG, "the model is missing: give 'model.preset' or 'model.layers'");
  if (given(config, "model.hidden") && !is(config, "model.preset", "mlp"))
    return idle(config, "model.hidden", "model.preset", "only the preset 'mlp' has hidden layers to choose");
  for (size_t i = 0; i < comity_config_length(config, "model.hidden"); i++) {
    const char *width = comity_config_text_at(config, "model.hidden", i);
    double units;
    if (!comity_config_number(width, &units) || units != floor(units) || !(units >= 1 && units <= 1e9))
      return comity_fail(COMITY_ERR_CONFIG, "%s: 'model.hidden' needs whole numbers from 1 to 1e9, got '%s'",
                         comity_config_item_origin(config, "model.hidden", i),
                         comity_config_quoted(width).text);
  }
  return COMITY_OK;
}

static comity_status check_faults(const comity_config *config) {
  if (given(config, "faults.seed") && comity_config_length(config, "faults.schedule") == 0)
    return idle(config, "faults.seed", "faults.schedule", "without faults nothing is drawn");
  return COMITY_OK;
}

static comity_status check_train(const comity_config *config) {
  if (comity_config_integer(config, "train.steps") > 0 && given(config, "train.epochs"))
    return clash(config, "train.steps", "train.epochs",
                 "local work is counted in steps or in epochs; leave one of them out");
  if (comity_config_flag(config, "train.nesterov") && comity_config_real(config, "train.momentum") == 0)
    return clash(config, "train.nesterov", "train.momentum", "Nesterov's momentum needs a momentum above 0");
  if (comity_config_flag(config, "algorithm.nesterov") &&
      comity_config_real(config, "algorithm.server_momentum") == 0)
    return clash(config, "algorithm.nesterov", "algorithm.server_momentum",
                 "Nesterov's momentum needs a momentum above 0");
  bool exponential = is(config, "train.schedule", "exponential"), step = is(config, "train.schedule", "step");
  bool cosine = is(config, "train.schedule", "cosine");
  if (given(config, "train.decay") && !exponential && !step)
    return idle(config, "train.decay", "train.schedule",
                "only the schedules 'exponential' and 'step' use it");
  if (given(config, "train.decay_rounds") && !step && !cosine)
    return idle(config, "train.decay_rounds", "train.schedule",
                "only the schedules 'step' and 'cosine' use it");
  return COMITY_OK;
}

static comity_status check_stragglers(const comity_config *config) {
  bool deadline = !is(config, "round.deadline", "none");
  if (comity_config_real(config, "clients.straggler_share") == 0)
    return given(config, "clients.straggler_policy") && !deadline
               ? idle(config, "clients.straggler_policy", "clients.straggler_share",
                      "no client is slow, and without 'round.deadline' none can be late")
               : COMITY_OK;
  if (comity_config_integer(config, "train.steps") > 0)
    return clash(config, "clients.straggler_share", "train.steps",
                 "a slow client does part of its epochs; count local work by 'train.epochs'");
  if (comity_config_integer(config, "train.epochs") == 1)
    return clash(config, "clients.straggler_share", "train.epochs",
                 "a slow client does 1 ... epochs-1 epochs, so there must be at least 2");
  return COMITY_OK;
}

static comity_status check_clients(const comity_config *config) {
  int64_t per_round = comity_config_integer(config, "clients.per_round");
  int64_t least = comity_config_integer(config, "round.min_clients");
  double fraction = comity_config_real(config, "clients.fraction");
  if (given(config, "clients.fraction") && per_round > 0)
    return clash(config, "clients.fraction", "clients.per_round",
                 "both say how many clients take part in a round; leave one of them out");
  if (is(config, "clients.select", "all") && per_round > 0)
    return clash(config, "clients.per_round", "clients.select", "'all' selects every client");
  if (is(config, "clients.select", "all") && given(config, "clients.fraction"))
    return clash(config, "clients.fraction", "clients.select", "'all' selects every client");
  if (is(config, "clients.select", "all") && comity_config_real(config, "round.over_selection") > 1)
    return clash(config, "round.over_selection", "clients.select",
                 "'all' selects every client, so there are none to ask in addition");
  if (per_round > 0 && least > per_round)
    return clash(config, "round.min_clients", "clients.per_round",
                 "a round can never have more clients than it selects");
  if (per_round == 0 && fraction == 0 && least > 1)
    return clash(config, "round.min_clients", "clients.fraction", "a fraction of 0 selects one client");
  return check_stragglers(config);
}

static comity_status check_stopping(const comity_config *config) {
  int64_t patience = comity_config_integer(config, "server.patience");
  double target = comity_config_real(config, "server.target");
  if (isinf(target))
    return wrong(config, "server.target", "is infinite and would never be reached; .nan means no target");
  if (given(config, "server.min_delta") && patience == 0)
    return idle(config, "server.min_delta", "server.patience",
                "only 'server.patience' looks for improvement");
  bool never_tested = comity_config_integer(config, "evaluate.every") == 0 &&
                      comity_config_integer(config, "evaluate.clients_every") == 0;
  if (never_tested && strncmp(comity_config_text(config, "server.metric"), "test_", 5) == 0) {
    const char *reason =
        "the watched test metric is measured only in the last round; evaluate more often, or "
        "watch 'train_loss'";
    if (patience > 0)
      return clash(config, "server.patience", "evaluate.every", reason);
    if (!isnan(target))
      return clash(config, "server.target", "evaluate.every", reason);
  }
  return COMITY_OK;
}

/* What stands in files is looked at by those who open them. */
static comity_status check_silos(const comity_config *config) {
  size_t count = comity_config_length(config, "silos.keys");
  for (size_t i = 0; i < count; i++) {
    const char *text = comity_config_text_at(config, "silos.keys", i);
    comity_public_key key;
    if (comity_key_is_line(text))
      COMITY_TRY(comity_public_key_parse(comity_config_item_origin(config, "silos.keys", i), text, &key));
  }
  if (count > 0 && comity_config_text(config, "silos.server_key")[0] == '\0')
    return clash(
        config, "silos.keys", "silos.server_key",
        "silos that join want to know whom they join, so the server needs a key, too: make one with 'comity keygen'");
  if (count == 0 && given(config, "silos.clients"))
    return idle(config, "silos.clients", "silos.keys", "no silo may join");
  return COMITY_OK;
}

comity_status comity_config_check(const comity_config *config) {
  if (comity_config_text(config, "run.dir")[0] == '\0')
    return wrong(config, "run.dir", "is empty; name a folder for what the run writes");
  COMITY_TRY(check_paths(config));
  COMITY_TRY(check_model(config));
  COMITY_TRY(check_train(config));
  COMITY_TRY(check_faults(config));
  COMITY_TRY(check_clients(config));
  COMITY_TRY(check_silos(config));
  return check_stopping(config);
}
