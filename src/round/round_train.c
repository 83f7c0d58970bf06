/* Local training: this rank's clients of a round, as far as they are not trained yet. */
#include "run_impl.h"

/* A sign of life from inside of training, which ends here when the server asks for reports and part of the work does not
 * count. */
static comity_status tick(void *self) {
  comity_run_state *run = self;
  COMITY_TRY(run->ticked = comity_comm_tend(run->comm));
  return comity_run_is_hurried(run) && !run->partial
             ? comity_fail(COMITY_ERR_TIMEOUT, "it was not done when the server asked for reports")
             : COMITY_OK;
}

static bool enough(void *self) {
  const comity_run_state *run = self;
  return run->partial && comity_run_is_hurried(run);
}

/* One client: load, train, fold in. What is wrong with the client is returned; what is wrong with this rank
 * goes to *fatal. */
static comity_status train_client(comity_run_state *run, size_t member, comity_status *fatal) {
  size_t client = run->cohort[member];
  double since = comity_clock_now();
  comity_train_task task = {.round = run->begun,
                            .client = client,
                            .epochs = run->epochs_of[member],
                            .down = run->down,
                            .state = run->client_state,
                            .up = comity_aggregate_room(run->aggregate), /* maybe made by folding others in */
                            .tick = tick,
                            .enough = enough,
                            .tick_self = run};
  since = comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  comity_status status = comity_federation_load(run->federation, COMITY_SPLIT_TRAIN, client, &task.examples);
  if (status == COMITY_OK)
    status = *fatal = comity_states_read(run->states, client, run->client_state);
  since = comity_run_book(run, COMITY_PHASE_IO, since);
  COMITY_TRY(status);

  comity_train_result result = {0};
  status = comity_trainer_run(run->trainer, &task, &result);
  since = comity_run_book(run, COMITY_PHASE_TRAIN, since);
  if (run->ticked != COMITY_OK)
    return *fatal = run->ticked;
  if (status == COMITY_ERR_DATA)
    status = comity_fail_context(status, "%s", comity_federation_path(run->federation, client));
  COMITY_TRY(status);

  double weight = (double)comity_run_weight(run, client);
  status = comity_aggregate_add_bounded(run->aggregate, task.up, weight, result.largest);
  since = comity_run_book(run, COMITY_PHASE_AGGREGATE, since);
  COMITY_TRY(status);

  double share = weight / run->total_weight;
  run->mine.loss += comity_fixed_from(share * result.loss);
  run->mine.share += comity_fixed_from(share);
  status = *fatal = comity_states_write(run->pending, client, run->client_state);
  comity_run_book(run, COMITY_PHASE_IO, since);
  return status;
}

/* One client, unless the schedule says that it is absent or late. */
static comity_status take_client(comity_run_state *run, size_t member, comity_status *fatal) {
  if (run->dropped[member])
    return comity_fail(COMITY_ERR_EXCLUDED, "by schedule");
  COMITY_TRY(*fatal = comity_run_be_late(run, run->cohort[member]));
  return train_client(run, member, fatal);
}

/* A client that fails is absent, by name and with its reason; the others go on. */
static comity_status train_member(comity_run_state *run, size_t member) {
  uint32_t client = run->cohort[member];
  comity_run_tell(run, client);
  comity_status fatal = COMITY_OK, status;
  if (comity_run_is_hurried(run))
    status = comity_fail(COMITY_ERR_TIMEOUT, "it was not begun when the server asked for reports");
  else
    status = take_client(run, member, &fatal);
  COMITY_TRY(fatal);
  comity_report_done(&run->mine, member);
  run->trained++;
  if (status == COMITY_OK)
    return comity_comm_tend(run->comm);
  const char *name = comity_federation_client_name(run->federation, client);
  comity_log(run->logger, COMITY_LOG_DEBUG, "round %llu: client %u is absent: %s",
             (unsigned long long)run->begun, client, comity_error_message());
  return comity_report_absence(&run->mine, client, name, comity_comm_rank(run->comm), status);
}

static comity_status train_cohort(comity_run_state *run) {
  int self = comity_comm_participant(run->comm);
  run->ticked = COMITY_OK;
  for (size_t i = 0; i < run->cohort_count && self >= 0; i++) { /* an owner of -1 is nobody */
    if (run->owner[i] != self || comity_report_is_done(&run->mine, i))
      continue;
    if (comity_run_asked_to_stop(run))
      return comity_fail(COMITY_REQUEUE, "asked to stop during round %llu", (unsigned long long)run->begun);
    COMITY_TRY(train_member(run, i));
  }
  return COMITY_OK;
}

comity_status comity_stage_train(comity_run_state *run) {
  uint64_t round = run->at.round;
  comity_run_expect(run);
  comity_status status = run->begun == round ? COMITY_OK : comity_run_begin_round(run, round, true);
  /* Without the model of the round before this rank is about to be told it. */
  if (status == COMITY_OK && run->trouble == COMITY_OK && run->announced == round - 1)
    status = train_cohort(run);
  bool leaves = run->leaves_alone && status == COMITY_REQUEUE;
  if (status == COMITY_INTERRUPTED || status == COMITY_ERR_SERVER || leaves)
    return status;
  comity_run_note(run, status);
  comity_run_go(run, COMITY_STAGE_REPORT, round, COMITY_NEXT_BEGUN);
  return COMITY_OK;
}
