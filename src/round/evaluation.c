/* Evaluation spread over all ranks: the central test set in blocks of fixed size, and each client's own
 * held-out part on the rank that hosts it. Sums are exact and blocks do not depend on the number of ranks, so
 * neither do the results. When the membership changes the work is dealt anew, by every rank for itself. */
#include "evaluation_impl.h"

#include "core/core_impl.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- who evaluates what */

static void forget_central(comity_evaluation *evaluation) {
  memset(evaluation->sums, 0, COMITY_WORDS * sizeof *evaluation->sums);
  evaluation->next = evaluation->first;
}

static void forget_clients(comity_evaluation *evaluation) {
  memset(evaluation->sums + COMITY_WORDS, 0, COMITY_WORDS * sizeof *evaluation->sums);
  evaluation->client_count = 0;
  evaluation->next_client = 0;
}

/* Memory for this rank's share of the central test set, which is then read once and for all if it fits. */
static comity_status plan_share(comity_evaluation *evaluation) {
  const comity_central *central = &evaluation->federation->central;
  size_t share = evaluation->last - evaluation->first;
  const comity_dataset_info *info = share == 0 ? NULL : comity_dataset_describe(central->dataset);
  evaluation->resident =
      info != NULL &&
      (double)share * (double)(info->width * comity_dtype_size(info->type)) <= evaluation->room;
  if (evaluation->resident)
    COMITY_TRY(
        comity_dataset_rows(central->dataset, central->split, evaluation->first, share, &evaluation->held));
  comity_free(evaluation->score);
  comity_free(evaluation->label);
  evaluation->score = evaluation->label = NULL;
  if (!central->found || !comity_model_is_binary(evaluation->model))
    return COMITY_OK;
  COMITY_TRY(COMITY_NEW(evaluation->score, share));
  return COMITY_NEW(evaluation->label, share);
}

comity_status comity_evaluation_present(const comity_evaluation *evaluation, bool **present) {
  int size = comity_comm_size(evaluation->comm);
  COMITY_TRY(COMITY_NEW(*present, (size_t)size));
  (*present)[0] = true; /* the server always is */
  for (int rank = 1; rank < size; rank++)
    (*present)[rank] = comity_federation_is_here(evaluation->federation, rank - 1);
  return COMITY_OK;
}

static comity_status deal_central(comity_evaluation *evaluation) {
  const comity_federation *federation = evaluation->federation;
  int size = comity_comm_size(evaluation->comm);
  size_t first, last;
  bool *present;
  COMITY_TRY(comity_evaluation_present(evaluation, &present));
  comity_central_share(&federation->central, present, size, comity_comm_rank(evaluation->comm),
                       evaluation->block, &first, &last);
  comity_free(present);
  if (evaluation->dealt && first == evaluation->first && last == evaluation->last)
    return COMITY_OK;
  evaluation->first = first;
  evaluation->last = last;
  evaluation->dealt = true;
  forget_central(evaluation);
  return plan_share(evaluation);
}

/* Memory for the hosted clients' held-out parts. */
static comity_status deal_clients(comity_evaluation *evaluation) {
  const comity_federation *federation = evaluation->federation;
  int self = comity_comm_participant(evaluation->comm);
  uint64_t most = 0, hosted = 0;
  for (size_t client = 0; client < federation->clients; client++) {
    uint64_t count = federation->examples[COMITY_SPLIT_TEST][client];
    if (count == 0 || comity_federation_host(federation, client) != self)
      continue;
    hosted++;
    most = count > most ? count : most;
  }
  forget_clients(evaluation);
  evaluation->hosted = hosted;
  COMITY_TRY(
      comity_array_grow(&evaluation->client, &evaluation->client_room, hosted, sizeof *evaluation->client));
  if (!comity_model_is_binary(evaluation->model))
    return COMITY_OK;
  COMITY_TRY(comity_array_grow(&evaluation->client_score, &evaluation->score_room, most,
                               sizeof *evaluation->client_score));
  return comity_array_grow(&evaluation->client_label, &evaluation->label_room, most,
                           sizeof *evaluation->client_label);
}

comity_status comity_evaluation_deal(comity_evaluation *evaluation) {
  const comity_federation *federation = evaluation->federation;
  COMITY_TRY(deal_central(evaluation));
  return federation->shared && federation->reassign ? deal_clients(evaluation) : COMITY_OK;
}

/* ------------------------------------------------------------------------------------------- construction */

/* A target on a metric that these data or this model do not have would never be reached. */
static comity_status check_watched(const comity_evaluation *evaluation, const comity_config *config) {
  const char *metric = comity_config_text(config, "server.metric");
  const char *key =
      comity_config_integer(config, "server.patience") > 0 ? "server.patience" : "server.target";
  if (isnan(comity_config_real(config, "server.target")) && strcmp(key, "server.target") == 0)
    return COMITY_OK;
  const comity_federation *federation = evaluation->federation;
  uint64_t tests = federation->central.found;
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
  comity_evaluation *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  *made = (comity_evaluation){.model = model,
                              .comm = comm,
                              .federation = federation,
                              .block = (size_t)comity_config_integer(config, "evaluate.batch"),
                              .room = 1048576.0 * comity_config_real(config, "data.cache")};
  if (made->block == 0)
    made->block = comity_model_evaluation_batch(model);
  comity_status status;
  COMITY_TRY_OR(done, comity_workspace_new(model, made->block, false, &made->workspace));
  COMITY_TRY_OR(done, deal_central(made));
  COMITY_TRY_OR(done, deal_clients(made));
  COMITY_TRY_OR(done, check_watched(made, config));
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
  comity_free(old->score);
  comity_free(old->label);
  comity_free(old->client);
  comity_free(old->client_score);
  comity_free(old->all);
  comity_free(old->client_label);
  comity_free(old);
  *evaluation = NULL;
}

bool comity_evaluation_has_central(const comity_evaluation *evaluation) {
  return evaluation->federation->central.found;
}

/* ------------------------------------------------------------------------------------------------ running */

/* Score `count` examples, at most a block, from row `first` of a view, into exact sums.
 * \param[out] scores, labels  (count) or NULL */
static void score_block(comity_evaluation *evaluation, const float *parameters,
                        const comity_examples *examples, size_t first, size_t count, uint64_t *sums,
                        float *scores, float *labels) {
  float *y = comity_workspace_y(evaluation->workspace);
  comity_examples_batch(examples, NULL, first, count, comity_workspace_x(evaluation->workspace), y);
  if (labels != NULL)
    memcpy(labels, y, count * sizeof *labels);
  comity_score score =
      comity_model_score(evaluation->model, parameters, evaluation->workspace, count, scores);
  bool finite = isfinite(score.loss);
  sums[COMITY_WORD_EXAMPLES] += score.examples;
  sums[COMITY_WORD_CORRECT] += score.correct;
  sums[COMITY_WORD_LOSS] += finite ? comity_fixed_from(score.loss) : 0;
  sums[COMITY_WORD_BROKEN] += !finite;
}

/* What is left of this rank's share. */
static comity_status run_central(comity_evaluation *evaluation, const float *parameters) {
  const comity_federation *federation = evaluation->federation;
  const comity_central *central = &federation->central;
  while (evaluation->next < evaluation->last) {
    size_t at = evaluation->next, done = at - evaluation->first, left = evaluation->last - at;
    size_t count = left < evaluation->block ? left : evaluation->block;
    comity_examples examples = evaluation->held;
    COMITY_TRY(comity_comm_tend(evaluation->comm));
    if (!evaluation->resident)
      COMITY_TRY(comity_dataset_rows(central->dataset, central->split, at, count, &examples));
    if (strcmp(federation->standardize, "none") != 0) {
      examples.mean = federation->mean;
      examples.inverse = federation->inverse;
    }
    bool binary = evaluation->score != NULL;
    score_block(evaluation, parameters, &examples, evaluation->resident ? done : 0, count, evaluation->sums,
                binary ? evaluation->score + done : NULL, binary ? evaluation->label + done : NULL);
    evaluation->next += count;
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
  float *scores = evaluation->client_score, *labels = evaluation->client_label;
  for (size_t at = 0; at < examples.count; at += evaluation->block) {
    size_t left = examples.count - at;
    COMITY_TRY(comity_comm_tend(evaluation->comm));
    score_block(evaluation, parameters, &examples, at, left < evaluation->block ? left : evaluation->block,
                sums, scores == NULL ? NULL : scores + at, labels == NULL ? NULL : labels + at);
  }
  double count = (double)sums[COMITY_WORD_EXAMPLES];
  comity_client_score score = {
      .client = client,
      .examples = sums[COMITY_WORD_EXAMPLES],
      .accuracy =
          comity_model_classifies(evaluation->model) ? (double)sums[COMITY_WORD_CORRECT] / count : NAN,
      .loss = sums[COMITY_WORD_BROKEN] > 0 ? NAN : comity_fixed_to(sums[COMITY_WORD_LOSS]) / count,
      .auc = NAN};
  if (scores != NULL)
    COMITY_TRY(comity_auc(scores, labels, examples.count, &score.auc));
  evaluation->client[evaluation->client_count++] = score;
  for (int i = 0; i < COMITY_WORDS; i++)
    evaluation->sums[COMITY_WORDS + i] += sums[i];
  return COMITY_OK;
}

/* Those of this rank's clients that are left. */
static comity_status run_clients(comity_evaluation *evaluation, const float *parameters) {
  const comity_federation *federation = evaluation->federation;
  int self = comity_comm_participant(evaluation->comm);
  if (evaluation->hosted == 0)
    return COMITY_OK;
  for (; evaluation->next_client < federation->clients; evaluation->next_client++)
    if (federation->examples[COMITY_SPLIT_TEST][evaluation->next_client] > 0 &&
        comity_federation_host(federation, evaluation->next_client) == self)
      COMITY_TRY(run_client(evaluation, parameters, evaluation->next_client));
  return COMITY_OK;
}

comity_status comity_evaluation_run(comity_evaluation *evaluation, uint64_t round, const float *parameters,
                                    bool central, bool clients) {
  if (!evaluation->begun || evaluation->round != round) {
    forget_central(evaluation);
    forget_clients(evaluation);
    evaluation->round = round;
    evaluation->begun = true;
  }
  evaluation->did_central = central && evaluation->federation->central.found;
  evaluation->did_clients = clients;
  if (evaluation->did_central)
    COMITY_TRY(run_central(evaluation, parameters));
  return clients ? run_clients(evaluation, parameters) : COMITY_OK;
}
