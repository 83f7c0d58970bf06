/* The loop: select -> local training -> aggregate -> server step -> broadcast -> evaluate -> record.
 *
 * Each stage is a function below, in this order. A rank that fails locally says so in its next report and
 * takes part in everything until then, so no rank ever waits for one that has left. */
#include "run_impl.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------- select */

static uint64_t weight_of(const comity_run_state *run, size_t client) {
  return run->weighting == COMITY_WEIGH_EQUALLY ? 1 : run->federation->examples[COMITY_SPLIT_TRAIN][client];
}

/* Who takes part, how much of the work each does, and where: the same on every rank without a message. */
static comity_status select_cohort(comity_run_state *run) {
  const uint64_t *examples = run->federation->examples[COMITY_SPLIT_TRAIN];
  uint64_t round = run->round + 1;
  run->selected =
      run->selector->select(run->seed, round, examples, run->federation->clients, run->want, run->cohort);
  double share = comity_config_real(run->config, "clients.straggler_share");
  size_t whole = run->train.steps > 0 ? run->train.steps : run->train.epochs; /* what a task counts in */
  comity_straggle(run->seed, round, share, run->selected, whole, run->epochs_of);
  size_t kept = 0;
  double total = 0;
  for (size_t i = 0; i < run->selected; i++) {
    size_t work = run->epochs_of[i];
    if (work == 0 || (work < whole && run->stragglers == COMITY_STRAGGLER_DROP))
      continue;
    run->cohort[kept] = run->cohort[i];
    run->epochs_of[kept] = work < whole ? work : 0; /* 0 = all */
    run->work[kept] = work * (run->train.steps > 0 ? 1 : examples[run->cohort[i]]);
    total += (double)weight_of(run, run->cohort[kept]);
    kept++;
  }
  run->cohort_count = kept;
  run->total_weight = total > 0 ? total : 1;
  return comity_federation_owners(run->federation, run->cohort, run->work, kept, run->balanced, run->owner);
}

/* ----------------------------------------------------------------------------------------- local training */

/* One client: load, train, fold in. What is wrong with the client is returned; what is wrong with this rank
 * goes to *fatal. */
static comity_status train_client(comity_run_state *run, size_t member, comity_status *fatal) {
  size_t client = run->cohort[member];
  double since = comity_clock_now();
  comity_train_task task = {.round = run->round + 1,
                            .client = client,
                            .epochs = run->epochs_of[member],
                            .down = run->down,
                            .state = run->client_state,
                            .up =
                                comity_aggregate_room(run->aggregate)}; /* maybe made by folding others in */
  since = comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  comity_status status = comity_federation_load(run->federation, COMITY_SPLIT_TRAIN, client, &task.examples);
  if (status == COMITY_OK)
    status = *fatal = comity_states_read(run->states, client, run->client_state);
  since = comity_run_book(run, COMITY_PHASE_IO, since);
  COMITY_TRY(status);

  comity_train_result result = {0};
  status = comity_trainer_run(run->trainer, &task, &result);
  since = comity_run_book(run, COMITY_PHASE_TRAIN, since);
  if (status == COMITY_ERR_DATA)
    status = comity_fail_context(status, "%s", comity_federation_path(run->federation, client));
  COMITY_TRY(status);

  double weight = (double)weight_of(run, client);
  status = comity_aggregate_add_bounded(run->aggregate, task.up, weight, result.largest);
  since = comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  COMITY_TRY(status);

  double share = weight / run->total_weight;
  run->report.loss += comity_fixed_from(share * result.loss);
  run->report.share += comity_fixed_from(share);
  status = *fatal = comity_states_write(run->pending, client, run->client_state);
  comity_run_book(run, COMITY_PHASE_IO, since);
  return status;
}

/* All of this rank's clients. A client that fails is absent, by name and with its reason; the others go on.
 */
static comity_status train_cohort(comity_run_state *run) {
  int self = comity_comm_participant(run->comm), rank = comity_comm_rank(run->comm);
  for (size_t i = 0; i < run->cohort_count; i++) {
    if (run->owner[i] != self)
      continue;
    if (comity_run_asked_to_stop(run))
      return comity_fail(COMITY_REQUEUE, "asked to stop during round %llu",
                         (unsigned long long)run->round + 1);
    comity_status fatal = COMITY_OK, status = train_client(run, i, &fatal);
    COMITY_TRY(fatal);
    if (status == COMITY_OK)
      continue;
    const char *name = comity_federation_client_name(run->federation, run->cohort[i]);
    comity_log(run->logger, COMITY_LOG_DEBUG, "round %llu: client %u is absent: %s",
               (unsigned long long)run->round + 1, run->cohort[i], comity_error_message());
    COMITY_TRY(comity_report_absence(&run->report, run->cohort[i], name, rank, status));
  }
  return COMITY_OK;
}

/* The reason that most explains a lost quorum: the first absences, by name. */
static comity_status quorum_lost(const comity_run_state *run, size_t present) {
  char text[700];
  size_t used = 0, count = run->report.absences, slow = run->selected - run->cohort_count;
  const comity_absence *absent = run->report.absent;
  text[0] = '\0';
  if (slow > 0)
    used =
        (size_t)snprintf(text, sizeof text, "; %zu were slow and left out (clients.straggler_share)", slow);
  for (size_t i = 0; i < count && i < 3 && used < sizeof text; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "; client %llu (rank %d): %s",
                             (unsigned long long)absent[i].client, absent[i].rank, absent[i].reason);
  return comity_fail(COMITY_ERR_QUORUM,
                     "round %llu: %zu of %zu selected clients took part, but round.min_clients is %zu%s%s",
                     (unsigned long long)run->round + 1, present, run->selected, run->min_clients, text,
                     count > 3 ? "; ..." : "");
}

/* Everybody's report of training to the server, which decides whether the round has enough clients. Collective.
 * \return the same on every rank */
static comity_status agree_on_cohort(comity_run_state *run, comity_status local) {
  double since = comity_clock_now();
  comity_status status = comity_report_send(run->comm, &run->report, local);
  since = comity_run_book(run, COMITY_PHASE_WAIT, since);
  if (status == COMITY_OK && comity_comm_is_server(run->comm)) {
    size_t present = run->cohort_count - run->report.absences;
    if (present < run->min_clients || present == 0)
      status = quorum_lost(run, present);
  }
  status = comity_comm_verdict(run->comm, status);
  comity_run_book(run, comity_run_answer(run), since);
  return status;
}

/* Select, train, and agree that everybody got through with enough clients. Collective. */
static comity_status train_round(comity_run_state *run) {
  double since = comity_clock_now();
  comity_report_reset(&run->report);
  comity_status status = select_cohort(run);
  comity_aggregate_begin(run->aggregate, run->cohort_count > 0 ? run->cohort_count : 1, run->total_weight);
  comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  if (status == COMITY_OK)
    status = train_cohort(run);
  return agree_on_cohort(run, status);
}

/* -------------------------------------------------------------------------------------------- server step */

static comity_server_view view_of(comity_run_state *run, uint64_t round, size_t present) {
  return (comity_server_view){.round = round,
                              .cohort = run->cohort_count,
                              .present = present,
                              .finite = comity_aggregate_is_finite(run->aggregate),
                              .model = run->global,
                              .state = run->server_state};
}

/* The next global model. On the server. */
static comity_status step(comity_run_state *run, size_t *present) {
  double since = comity_clock_now();
  COMITY_TRY(comity_aggregate_present(run->aggregate, present));
  comity_server_view view = view_of(run, run->round + 1, *present);
  comity_status status = run->method.algorithm->server_step(run->method.self, &view, run->combined);
  comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  return status == COMITY_OK ? status
                             : comity_fail_context(status, "round %llu: the server's step",
                                                   (unsigned long long)run->round + 1);
}

/* All updates become one, and that the next global model, on the server. Collective; on the server alone it may
 * fail for other reasons than communication. */
static comity_status aggregate(comity_run_state *run, size_t *present) {
  double since = comity_clock_now();
  COMITY_TRY(comity_aggregate_sum(run->aggregate, run->combined));
  comity_run_book(run, COMITY_PHASE_COMMUNICATE, since);
  return comity_comm_is_server(run->comm) ? step(run, present) : COMITY_OK;
}

/* ---------------------------------------------------------------------------------------------- broadcast */

/* The server's fields after round `done` go to everybody, unless it failed with `status`; their model is the one
 * to evaluate. Collective.
 * \return the server's status, on every rank */
static comity_status announce(comity_run_state *run, uint64_t done, comity_status status) {
  double since = comity_clock_now();
  if (status == COMITY_OK && comity_comm_is_server(run->comm)) {
    comity_server_view view = view_of(run, done, 0);
    comity_method_announce(&run->method, &view, run->down);
    since = comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  }
  status = comity_comm_broadcast_status(run->comm, status, run->down,
                                        run->method.protocol.down.length * sizeof *run->down);
  comity_run_book(run, COMITY_PHASE_COMMUNICATE, since);
  return status;
}

/* ----------------------------------------------------------------------------------------------- evaluate */

static bool due(uint64_t round, uint64_t every, bool last) {
  return last || (every > 0 && round % every == 0);
}

/* This rank's share, unless it fails with `status` already. */
static comity_status evaluate(comity_run_state *run, comity_status status) {
  bool last = run->round >= run->stop_rule.rounds, central = comity_evaluation_has_central(run->evaluation);
  size_t clients_every = run->evaluate_clients_every;
  bool of_clients = clients_every > 0 ? due(run->round, clients_every, last)
                                      : !central && due(run->round, run->evaluate_every, last);
  double since = comity_clock_now();
  const float *model = run->down + run->method.protocol.down.field[run->method.down_model].offset;
  if (status == COMITY_OK)
    status = comity_evaluation_run(run->evaluation, run->round, model,
                                   central && due(run->round, run->evaluate_every, last), of_clients);
  comity_run_book(run, COMITY_PHASE_EVALUATE, since);
  return status;
}

/* ----------------------------------------------------------------------------------------------- the loop */

/* Leave a round that not all ranks finished: its updates and states are forgotten. */
static void abandon_round(comity_run_state *run) {
  run->reason = COMITY_STOP_SIGNAL;
  comity_log(run->logger, COMITY_LOG_INFO,
             "asked to stop: round %llu is abandoned, round %llu is the last complete one",
             (unsigned long long)run->round + 1, (unsigned long long)run->round);
}

/* One round, in which all ranks meet four times: training is reported, updates are summed, the model is sent,
 * and the evaluation is reported. */
static comity_status run_round(comity_run_state *run) {
  size_t present = 0;
  comity_status status = train_round(run);
  if (status == COMITY_REQUEUE) {
    abandon_round(run);
    return COMITY_OK;
  }
  COMITY_TRY(status);
  status = aggregate(run, &present);
  COMITY_TRY(announce(run, run->round + 1, status));
  run->round++;
  status = comity_states_move(run->pending, run->states); /* of a complete round: those to go on from */
  status = evaluate(run, status);
  COMITY_TRY(comity_run_record(run, present, status));
  int64_t every = comity_config_integer(run->config, "checkpoint.every");
  if (run->reason == COMITY_STOP_NOT && every > 0 && run->round % (uint64_t)every == 0)
    COMITY_TRY(comity_run_save(run));
  return COMITY_OK;
}

/* Save what the run has come to, and say how it ended. Collective. */
static comity_status finish(comity_run_state *run) {
  bool requeue = run->reason == COMITY_STOP_SIGNAL || run->reason == COMITY_STOP_WALL;
  if (requeue || comity_config_integer(run->config, "checkpoint.every") > 0)
    COMITY_TRY(comity_run_save(run));
  COMITY_TRY(comity_run_save_model(run));
  comity_status status = run->recorder == NULL ? COMITY_OK : comity_recorder_flush(run->recorder);
  COMITY_TRY(comity_run_agree(run, status));
  comity_progress_pause(run->progress);
  comity_log(run->logger, COMITY_LOG_INFO, "stopped after round %llu: %s", (unsigned long long)run->round,
             comity_stop_text(run->reason));
  return requeue ? comity_fail(COMITY_REQUEUE, "stopped after round %llu of %zu: %s; continue with --resume",
                               (unsigned long long)run->round, run->stop_rule.rounds,
                               comity_stop_text(run->reason))
                 : COMITY_OK;
}

static comity_status save_and_fail(comity_run_state *run) {
  char *reason = comity_text("%s", comity_error_message());
  comity_status status = run->round > 0 ? comity_run_save(run) : COMITY_OK;
  if (status == COMITY_OK)
    status = comity_fail(COMITY_ERR_QUORUM, "%s", reason == NULL ? "too few clients" : reason);
  comity_free(reason);
  return status;
}

static comity_status run_rounds(comity_run_state *run) {
  run->round_start = comity_clock_now();
  COMITY_TRY(announce(run, run->round, COMITY_OK));
  while (run->reason == COMITY_STOP_NOT) {
    comity_status status = run_round(run);
    if (status == COMITY_ERR_QUORUM) /* all ranks are well, and the last complete round is worth keeping */
      return save_and_fail(run);
    COMITY_TRY(status);
  }
  return finish(run);
}

comity_status comity_run(comity_comm *comm, const comity_config *config, const comity_run_options *options,
                         comity_run_result *result) {
  comity_run_state run = {.comm = comm, .config = config, .options = options, .start = comity_clock_now()};
  comity_status status = comity_run_prepare(&run);
  if (status == COMITY_OK)
    status = comity_run_open(&run);
  if (status == COMITY_OK)
    status = run_rounds(&run);
  if (run.progress != NULL)
    comity_progress_pause(run.progress);
  if ((status == COMITY_OK || status == COMITY_REQUEUE) && run.recorder != NULL && options->terminal != NULL)
    comity_recorder_summary(run.recorder, options->terminal);
  if (result != NULL) {
    *result = (comity_run_result){.rounds = run.round, .reason = run.reason, .last = run.record};
    result->last.rank_ledger = NULL;
    result->last.absent = NULL;
    result->last.score = NULL;
    result->last.score_count = 0;
    result->last.absent_count = 0;
  }
  comity_run_close(&run);
  return status;
}
