/* Evaluation spread over all ranks: the central test set in blocks of fixed size, and each client's own
 * held-out part on the rank that hosts it. Sums are exact and blocks do not depend on the number of ranks, so
 * neither do the results. */
#include "evaluation_impl.h"

#include <math.h>
#include <string.h>

/* --------------------------------------------------------------------------------------- central test set */

/* Which file and split hold the central test set, if any: data.test, or the test group of the one shared
 * file. */
static comity_status find_central(const comity_config *config, const comity_federation *federation,
                                  char **path, bool *found) {
  const char *name = comity_config_text(config, "data.test");
  *found = name[0] != '\0';
  if (*found)
    return comity_config_resolve_path(config, "data.test", name, path);
  if (!federation->shared)
    return COMITY_OK;
  size_t of_clients = 0;
  for (size_t client = 0; client < federation->clients; client++)
    of_clients += federation->examples[COMITY_SPLIT_TEST][client];
  *found = of_clients == 0 && federation->info.examples[COMITY_SPLIT_TEST] > 0;
  if (*found)
    *path = comity_text("%s", federation->silo[0].path);
  return *found && *path == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

static comity_status fits_model(const char *path, const comity_dataset_info *test,
                                const comity_dataset_info *train) {
  COMITY_REQUIRE(test->width == train->width, COMITY_ERR_DATA,
                 "%s: a test example has %zu features, but training has %zu", path, test->width,
                 train->width);
  COMITY_REQUIRE((test->classes > 0) == (train->classes > 0) && test->targets == train->targets,
                 COMITY_ERR_DATA, "%s: test labels are of another kind than those of training", path);
  COMITY_REQUIRE(test->classes <= train->classes, COMITY_ERR_DATA,
                 "%s: has %zu classes, but training has %zu", path, test->classes, train->classes);
  return COMITY_OK;
}

static comity_status open_central(comity_evaluation *evaluation, const comity_config *config,
                                  const char *path) {
  const char *x = comity_config_text(config, "data.x"), *y = comity_config_text(config, "data.y");
  comity_dataset_options options = {
      .cache_bytes = 1, .x_name = x[0] == '\0' ? NULL : x, .y_name = y[0] == '\0' ? NULL : y};
  COMITY_TRY(comity_dataset_open(path, &options, &evaluation->central));
  const comity_dataset_info *info = comity_dataset_describe(evaluation->central);
  evaluation->split = info->examples[COMITY_SPLIT_TEST] > 0 ? COMITY_SPLIT_TEST : COMITY_SPLIT_TRAIN;
  evaluation->examples = info->examples[evaluation->split];
  COMITY_REQUIRE(evaluation->examples > 0, COMITY_ERR_DATA, "%s: the central test set is empty", path);
  return fits_model(path, info, &evaluation->federation->info);
}

/* Ranks other than the server need not have the file (at another site they won't): then they get no share.
 * Collective. */
static comity_status deal_blocks(comity_evaluation *evaluation) {
  comity_comm *comm = evaluation->comm;
  int rank = comity_comm_rank(comm), size = comity_comm_size(comm);
  uint64_t *readers;
  comity_status status = COMITY_NEW(readers, (size_t)size);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  readers[rank] = evaluation->central != NULL ? evaluation->examples : 0;
  COMITY_TRY_OR(done, comity_comm_sum(comm, readers, (size_t)size));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, readers, (size_t)size * sizeof *readers));
  evaluation->examples = readers[0];
  size_t count = 0, self = 0;
  for (int i = 0; i < size; i++)
    if (readers[i] ==
        evaluation->examples) { /* a file of that name with other contents is not the server's */
      self = i == rank ? count : self;
      count++;
    }
  bool reads = readers[rank] == evaluation->examples;
  size_t blocks = (evaluation->examples + evaluation->block - 1) / evaluation->block;
  if (reads) {
    evaluation->first = blocks * self / count * evaluation->block;
    evaluation->last = blocks * (self + 1) / count * evaluation->block;
    if (evaluation->last > evaluation->examples)
      evaluation->last = evaluation->examples;
  }
done:
  comity_free(readers);
  return status;
}

static comity_status plan_central(comity_evaluation *evaluation, const comity_config *config) {
  comity_comm *comm = evaluation->comm;
  char *path = NULL;
  bool found = false;
  comity_status status = find_central(config, evaluation->federation, &path, &found);
  if (status == COMITY_OK && found) {
    status = open_central(evaluation, config, path);
    if (status != COMITY_OK) {
      comity_dataset_destroy(&evaluation->central);
      if (!comity_comm_is_server(comm)) {
        comity_error_clear();
        status = COMITY_OK;
      }
    }
  }
  comity_free(path);
  COMITY_TRY(comity_comm_agree(comm, status));
  evaluation->has_central = found;
  if (!found)
    return COMITY_OK;
  COMITY_TRY(deal_blocks(evaluation));
  size_t share = evaluation->last - evaluation->first;
  const comity_dataset_info *info =
      evaluation->central == NULL ? NULL : comity_dataset_describe(evaluation->central);
  evaluation->resident =
      info != NULL && (double)share * (double)(info->width * comity_dtype_size(info->type)) <=
                          1048576.0 * comity_config_real(config, "data.cache");
  status = COMITY_OK;
  if (share > 0 && evaluation->resident)
    status = comity_dataset_rows(evaluation->central, evaluation->split, evaluation->first, share,
                                 &evaluation->held);
  if (status == COMITY_OK && comity_model_is_binary(evaluation->model)) {
    status = COMITY_NEW(evaluation->score, share);
    if (status == COMITY_OK)
      status = COMITY_NEW(evaluation->label, share);
  }
  return comity_comm_agree(comm, status);
}

/* ------------------------------------------------------------------------------------------- construction */

/* Memory for the hosted clients' held-out parts. */
static comity_status plan_clients(comity_evaluation *evaluation) {
  const comity_federation *federation = evaluation->federation;
  int self = comity_comm_participant(evaluation->comm);
  uint64_t most = 0;
  for (size_t client = 0; client < federation->clients; client++) {
    uint64_t count = federation->examples[COMITY_SPLIT_TEST][client];
    if (count == 0 || comity_federation_host(federation, client) != self)
      continue;
    evaluation->client_room++;
    most = count > most ? count : most;
  }
  COMITY_TRY(COMITY_NEW(evaluation->client, evaluation->client_room));
  if (comity_model_is_binary(evaluation->model)) {
    COMITY_TRY(COMITY_NEW(evaluation->client_scores, most));
    COMITY_TRY(COMITY_NEW(evaluation->client_labels, most));
  }
  return COMITY_OK;
}

/* A target on a metric that these data or this model do not have would never be reached. */
static comity_status check_watched(const comity_evaluation *evaluation, const comity_config *config) {
  const char *metric = comity_config_text(config, "server.metric");
  const char *key =
      comity_config_integer(config, "server.patience") > 0 ? "server.patience" : "server.target";
  if (isnan(comity_config_real(config, "server.target")) && strcmp(key, "server.target") == 0)
    return COMITY_OK;
  const comity_federation *federation = evaluation->federation;
  uint64_t tests = evaluation->has_central;
  for (size_t client = 0; client < federation->clients; client++)
    tests += federation->examples[COMITY_SPLIT_TEST][client];
  COMITY_REQUIRE(strcmp(metric, "test_auc") != 0 || comity_model_is_binary(evaluation->model),
                 COMITY_ERR_CONFIG,
                 "%s: '%s' watches %s, but this model does not tell two classes apart; change server.metric",
                 comity_config_origin(config, key), key, metric);
  COMITY_REQUIRE(
      strcmp(metric, "test_accuracy") != 0 || comity_model_classifies(evaluation->model), COMITY_ERR_CONFIG,
      "%s: '%s' watches %s, which a model of real numbers does not have; set server.metric to test_loss",
      comity_config_origin(config, key), key, metric);
  COMITY_REQUIRE(strncmp(metric, "test_", 5) != 0 || tests > 0, COMITY_ERR_CONFIG,
                 "%s: '%s' watches %s, but there are no test examples; name a file in data.test, set "
                 "data.holdout, or set server.metric to train_loss",
                 comity_config_origin(config, key), key, metric);
  return COMITY_OK;
}

comity_status comity_evaluation_new(comity_comm *comm, const comity_config *config, const comity_model *model,
                                    comity_federation *federation, comity_evaluation **evaluation) {
  comity_evaluation *made = NULL;
  comity_status status = COMITY_NEW(made, 1);
  if (status == COMITY_OK) {
    *made = (comity_evaluation){.model = model,
                                .comm = comm,
                                .federation = federation,
                                .block = (size_t)comity_config_integer(config, "evaluate.batch")};
    if (made->block == 0)
      made->block = comity_model_evaluation_batch(model);
    status = comity_workspace_new(model, made->block, false, &made->workspace);
    if (status == COMITY_OK)
      status = plan_clients(made);
  }
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, plan_central(made, config));
  COMITY_TRY_OR(done, comity_comm_agree(comm, check_watched(made, config)));
  /* Also with the silos' own statistics: the model file carries those of all, for data from elsewhere. */
  if (strcmp(federation->standardize, "none") != 0 && federation->mean == NULL)
    status = comity_federation_statistics(federation);
done:
  if (status == COMITY_OK)
    *evaluation = made;
  else
    comity_evaluation_destroy(&made);
  return status;
}

void comity_evaluation_destroy(comity_evaluation **evaluation) {
  if (evaluation == NULL || *evaluation == NULL)
    return;
  comity_evaluation *old = *evaluation;
  comity_workspace_destroy(&old->workspace);
  comity_dataset_destroy(&old->central);
  comity_free(old->score);
  comity_free(old->label);
  comity_free(old->client);
  comity_free(old->client_scores);
  comity_free(old->all);
  comity_free(old->client_labels);
  comity_free(old);
  *evaluation = NULL;
}

bool comity_evaluation_has_central(const comity_evaluation *evaluation) { return evaluation->has_central; }

size_t comity_evaluation_examples(const comity_evaluation *evaluation) { return evaluation->examples; }

/* ------------------------------------------------------------------------------------------------ running */

/* Score `count` examples from row `first` of a view, block by block, into exact sums. */
static void score_rows(comity_evaluation *evaluation, const float *parameters,
                       const comity_examples *examples, size_t count, uint64_t *sums, float *scores,
                       float *labels) {
  for (size_t at = 0; at < count; at += evaluation->block) {
    size_t block = count - at < evaluation->block ? count - at : evaluation->block;
    float *y = comity_workspace_y(evaluation->workspace);
    comity_examples_batch(examples, NULL, at, block, comity_workspace_x(evaluation->workspace), y);
    if (labels != NULL)
      memcpy(labels + at, y, block * sizeof *labels);
    comity_score score = comity_model_score(evaluation->model, parameters, evaluation->workspace, block,
                                            scores == NULL ? NULL : scores + at);
    bool finite = isfinite(score.loss);
    sums[COMITY_WORD_EXAMPLES] += score.examples;
    sums[COMITY_WORD_CORRECT] += score.correct;
    sums[COMITY_WORD_LOSS] += finite ? comity_fixed_from(score.loss) : 0;
    sums[COMITY_WORD_BROKEN] += !finite;
  }
}

static comity_status run_central(comity_evaluation *evaluation, const float *parameters) {
  const comity_federation *federation = evaluation->federation;
  size_t step = evaluation->resident ? evaluation->last - evaluation->first : evaluation->block;
  for (size_t at = evaluation->first; at < evaluation->last; at += step) {
    size_t count = evaluation->last - at < step ? evaluation->last - at : step, done = at - evaluation->first;
    comity_examples examples = evaluation->held;
    if (!evaluation->resident)
      COMITY_TRY(comity_dataset_rows(evaluation->central, evaluation->split, at, count, &examples));
    if (strcmp(federation->standardize, "none") != 0) {
      examples.mean = federation->mean;
      examples.inverse = federation->inverse;
    }
    bool binary = evaluation->score != NULL;
    score_rows(evaluation, parameters, &examples, count, evaluation->sums,
               binary ? evaluation->score + done : NULL, binary ? evaluation->label + done : NULL);
  }
  return COMITY_OK;
}

/* A client whose held-out part cannot be read is left out, as one that cannot train is. */
static comity_status run_client(comity_evaluation *evaluation, const float *parameters, size_t client) {
  comity_examples examples;
  if (comity_federation_load(evaluation->federation, COMITY_SPLIT_TEST, client, &examples) != COMITY_OK) {
    comity_error_clear();
    return COMITY_OK;
  }
  uint64_t sums[COMITY_WORDS] = {0};
  score_rows(evaluation, parameters, &examples, examples.count, sums, evaluation->client_scores,
             evaluation->client_labels);
  double count = (double)sums[COMITY_WORD_EXAMPLES];
  comity_client_score *score = &evaluation->client[evaluation->client_count++];
  *score = (comity_client_score){
      .client = client,
      .examples = sums[COMITY_WORD_EXAMPLES],
      .accuracy =
          comity_model_classifies(evaluation->model) ? (double)sums[COMITY_WORD_CORRECT] / count : NAN,
      .loss = sums[COMITY_WORD_BROKEN] > 0 ? NAN : comity_fixed_to(sums[COMITY_WORD_LOSS]) / count,
      .auc = NAN};
  for (int i = 0; i < COMITY_WORDS; i++)
    evaluation->sums[COMITY_WORDS + i] += sums[i];
  if (evaluation->client_scores != NULL)
    COMITY_TRY(comity_auc(evaluation->client_scores, evaluation->client_labels, examples.count, &score->auc));
  return COMITY_OK;
}

comity_status comity_evaluation_run(comity_evaluation *evaluation, const float *parameters, bool central,
                                    bool clients) {
  memset(evaluation->sums, 0, sizeof evaluation->sums);
  evaluation->client_count = 0;
  evaluation->did_central = central && evaluation->has_central;
  evaluation->did_clients = clients;
  if (evaluation->did_central && evaluation->central != NULL)
    COMITY_TRY(run_central(evaluation, parameters));
  if (!clients || evaluation->client_room == 0)
    return COMITY_OK;
  int self = comity_comm_participant(evaluation->comm);
  const comity_federation *federation = evaluation->federation;
  for (size_t client = 0; client < federation->clients; client++)
    if (federation->examples[COMITY_SPLIT_TEST][client] > 0 &&
        comity_federation_host(federation, client) == self)
      COMITY_TRY(run_client(evaluation, parameters, client));
  return COMITY_OK;
}
