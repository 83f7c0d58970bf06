/* Results of an evaluation on their way to the server, and into the record. Sums are exact, and what is not a
 * sum is put into an order that does not depend on who evaluated what. */
#include "evaluation_impl.h"

#include "core/core_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What travels first; then the scores and labels of this rank's central share, and its clients' scores. */
typedef struct head {
  uint64_t sums[2 * COMITY_WORDS];
  uint64_t first, rows, clients; /* first: where in the test set its share begins */
} head;

static bool ran(const comity_evaluation *evaluation) {
  return evaluation->did_central || evaluation->did_clients;
}

comity_status comity_evaluation_report(const comity_evaluation *evaluation, comity_message *message) {
  if (!ran(evaluation))
    return COMITY_OK;
  bool rows = evaluation->did_central && evaluation->score != NULL;
  head first = {.first = evaluation->first,
                .rows = rows ? evaluation->last - evaluation->first : 0,
                .clients = evaluation->did_clients ? evaluation->client_count : 0};
  size_t half = sizeof first.sums / 2;
  memcpy(first.sums, evaluation->sums, evaluation->did_central ? half : 0);
  memcpy(first.sums + COMITY_WORDS, evaluation->sums + COMITY_WORDS, evaluation->did_clients ? half : 0);
  COMITY_TRY(comity_message_add(message, &first, sizeof first));
  COMITY_TRY(comity_message_add(message, evaluation->score, first.rows * sizeof *evaluation->score));
  COMITY_TRY(comity_message_add(message, evaluation->label, first.rows * sizeof *evaluation->label));
  return comity_message_add(message, evaluation->client, first.clients * sizeof *evaluation->client);
}

/* -------------------------------------------------------------------------------------------- on the server */

static void read_sums(const uint64_t *sums, double *accuracy, double *loss) {
  double count = (double)sums[COMITY_WORD_EXAMPLES];
  *accuracy = count > 0 ? (double)sums[COMITY_WORD_CORRECT] / count : NAN;
  *loss = count > 0 && sums[COMITY_WORD_BROKEN] == 0 ? comity_fixed_to(sums[COMITY_WORD_LOSS]) / count : NAN;
}

static int by_client(const void *a, const void *b) {
  const comity_client_score *x = a, *y = b;
  return x->client < y->client ? -1 : x->client > y->client;
}

/* Every client's score, by client id, so that sums do not depend on who hosted whom. */
static comity_status distribute(comity_client_score *score, size_t count, bool pooled,
                                comity_record *record) {
  double *values, auc = 0, auc_examples = 0, loss = 0;
  COMITY_TRY(COMITY_NEW(values, count));
  for (size_t i = 0; i < count; i++) {
    values[i] = score[i].accuracy;
    loss += score[i].loss;
    if (!isnan(score[i].auc)) {
      auc += score[i].auc * (double)score[i].examples;
      auc_examples += (double)score[i].examples;
    }
  }
  if (count > 0) {
    record->client_accuracy = comity_distribution_of(values, count);
    record->client_loss = loss / (double)count;
  }
  if (pooled && auc_examples > 0)
    record->test_auc = auc / auc_examples;
  comity_free(values);
  return COMITY_OK;
}

/* Scores and labels of the central test set, in its own order. */
typedef struct rows {
  float *score, *label; /* (count) */
  size_t count;
} rows;

/* That a rank evaluated what it was dealt, no more and no less: so all shares together fit into the test set. */
static comity_status check_share(const comity_evaluation *evaluation, const bool *present, int rank,
                                 bool scores, const head *said) {
  size_t first = 0, last = 0;
  if (evaluation->did_central)
    comity_central_share(&evaluation->federation->central, present, comity_comm_size(evaluation->comm), rank,
                         evaluation->block, &first, &last);
  size_t share = last - first;
  COMITY_REQUIRE(said->sums[COMITY_WORD_EXAMPLES] == share && said->rows == (scores ? share : 0) &&
                     (share == 0 || said->first == first),
                 COMITY_ERR_INTERNAL,
                 "it evaluated %llu test examples from number %llu on, not the %zu from number %zu on",
                 (unsigned long long)said->sums[COMITY_WORD_EXAMPLES], (unsigned long long)said->first, share,
                 first);
  return COMITY_OK;
}

/* That a rank evaluated clients that it hosts, each once. */
static comity_status check_clients(const comity_evaluation *evaluation, int rank,
                                   const comity_client_score *score, size_t count) {
  const comity_federation *federation = evaluation->federation;
  int participant = comity_comm_size(evaluation->comm) == 1 ? 0 : rank - 1;
  for (size_t i = 0; i < count; i++)
    COMITY_REQUIRE(score[i].client < federation->clients &&
                       (i == 0 || score[i - 1].client < score[i].client) &&
                       comity_federation_host(federation, score[i].client) == participant,
                   COMITY_ERR_INTERNAL, "it evaluated client %llu, which it does not host, or not again",
                   (unsigned long long)score[i].client);
  return COMITY_OK;
}

static comity_status take_clients(comity_evaluation *evaluation, comity_parts *parts, int rank,
                                  uint64_t count) {
  size_t known = evaluation->all_count;
  COMITY_TRY(comity_message_expect(parts, count, sizeof *evaluation->all));
  COMITY_REQUIRE(evaluation->did_clients || count == 0, COMITY_ERR_INTERNAL,
                 "it evaluated clients, which nobody asked for");
  if (count == 0)
    return COMITY_OK;
  COMITY_TRY(
      comity_array_grow(&evaluation->all, &evaluation->all_room, known + count, sizeof *evaluation->all));
  COMITY_TRY(comity_message_take(parts, evaluation->all + known, count * sizeof *evaluation->all));
  COMITY_TRY(check_clients(evaluation, rank, evaluation->all + known, count));
  evaluation->all_count += count;
  return COMITY_OK;
}

static comity_status take_rank(comity_evaluation *evaluation, comity_parts *parts, const bool *present,
                               int rank, uint64_t *sums, rows *all) {
  head first;
  COMITY_TRY(comity_message_take(parts, &first, sizeof first));
  COMITY_TRY(check_share(evaluation, present, rank, all->score != NULL, &first));
  for (int i = 0; i < 2 * COMITY_WORDS; i++)
    sums[i] += first.sums[i];
  if (first.rows > 0) {
    COMITY_TRY(comity_message_take(parts, all->score + first.first, first.rows * sizeof *all->score));
    COMITY_TRY(comity_message_take(parts, all->label + first.first, first.rows * sizeof *all->label));
    all->count += first.rows;
  }
  COMITY_TRY(take_clients(evaluation, parts, rank, first.clients));
  COMITY_REQUIRE(parts->at == parts->end, COMITY_ERR_INTERNAL, "a report goes on behind its end");
  return COMITY_OK;
}

/* Whoever is present has something to say, or the test set would not be whole. */
static comity_status take_all(comity_evaluation *evaluation, comity_parts *parts, int ranks, uint64_t *sums,
                              rows *all) {
  bool *present;
  comity_status status = comity_evaluation_present(evaluation, &present);
  evaluation->all_count = 0;
  for (int rank = 0; rank < ranks && status == COMITY_OK; rank++)
    if (present[rank])
      status = comity_comm_reject(evaluation->comm, rank,
                                  take_rank(evaluation, &parts[rank], present, rank, sums, all));
  comity_free(present);
  return status;
}

static comity_status merge(comity_evaluation *evaluation, comity_parts *parts, size_t ranks, rows *all,
                           comity_record *record) {
  uint64_t sums[2 * COMITY_WORDS] = {0};
  size_t examples = evaluation->federation->central.examples;
  bool pooled = !evaluation->federation->central.found;
  COMITY_TRY(take_all(evaluation, parts, (int)ranks, sums, all));
  COMITY_REQUIRE(!evaluation->did_central || sums[COMITY_WORD_EXAMPLES] == examples, COMITY_ERR_INTERNAL,
                 "%llu of %zu test examples were evaluated", (unsigned long long)sums[COMITY_WORD_EXAMPLES],
                 examples);
  read_sums(sums + (pooled ? COMITY_WORDS : 0), &record->test_accuracy, &record->test_loss);
  if (!comity_model_classifies(evaluation->model))
    record->test_accuracy = NAN;
  if (all->count > 0)
    COMITY_TRY(comity_auc(all->score, all->label, all->count, &record->test_auc));
  if (!evaluation->did_clients)
    return COMITY_OK;
  size_t count = evaluation->all_count;
  if (count > 0)
    qsort(evaluation->all, count, sizeof *evaluation->all, by_client);
  record->score = evaluation->all;
  record->score_count = count;
  return distribute(evaluation->all, count, pooled, record);
}

comity_status comity_evaluation_merge(comity_evaluation *evaluation, comity_parts *parts, size_t ranks,
                                      comity_record *record) {
  record->test_accuracy = record->test_loss = record->test_auc = record->client_loss = NAN;
  record->client_accuracy = (comity_distribution){NAN, NAN, NAN, NAN};
  record->score = NULL;
  record->score_count = 0;
  if (!ran(evaluation))
    return COMITY_OK;
  bool binary = evaluation->did_central && evaluation->score != NULL;
  rows all = {0};
  comity_status status = COMITY_OK;
  if (binary) {
    COMITY_TRY_OR(done, COMITY_NEW(all.score, evaluation->federation->central.examples));
    COMITY_TRY_OR(done, COMITY_NEW(all.label, evaluation->federation->central.examples));
  }
  status = merge(evaluation, parts, ranks, &all, record);
done:
  comity_free(all.score);
  comity_free(all.label);
  return status;
}
