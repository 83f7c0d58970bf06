/* How long the server waits for training. When the time is over, or enough of those who were asked are done, everybody is
 * asked to report what they have; and whoever does not do even that misses the round. Being slow is not being lost: who
 * was too slow takes part in the next round. */
#include "run_impl.h"

static bool is_waiting(const comity_run_state *run) {
  return run->at.stage == COMITY_STAGE_TRAIN || run->at.stage == COMITY_STAGE_REPORT;
}

/* Clients of this round that are done, as far as the server has heard. */
static size_t done_so_far(const comity_run_state *run) {
  size_t done = 0;
  for (int rank = 1; rank < comity_comm_size(run->comm); rank++) {
    comity_doing doing = comity_comm_does(run->comm, rank);
    done += comity_comm_is_present(run->comm, rank) && doing.round == run->at.round ? doing.done : 0;
  }
  return done;
}

static void hurry(comity_run_state *run) {
  if (!run->hurries)
    comity_comm_hurry(run->comm);
  run->hurries = true;
}

/* Those who have not come to their report. */
static void exclude_slow(comity_run_state *run, double elapsed) {
  for (int rank = 1; rank < comity_comm_size(run->comm); rank++) {
    comity_doing doing = comity_comm_does(run->comm, rank);
    bool there = doing.round == run->at.round && doing.stage == COMITY_STAGE_REPORT;
    if (there || !comity_comm_is_present(run->comm, rank))
      continue;
    char text[128];
    snprintf(text, sizeof text, "had not reported %.3g s after training began (round.deadline: %s)", elapsed,
             comity_config_text(run->config, "round.deadline"));
    run->slow[rank] = run->at.round;
    comity_comm_exclude(run->comm, rank, COMITY_CHANGE_SLOW, text);
  }
}

/* Look at the clock (`due`), and at who is done. */
static void look(void *self, bool due) {
  comity_run_state *run = self;
  if (!is_waiting(run))
    return;
  if (run->enough > 0 && done_so_far(run) >= run->enough)
    hurry(run);
  if (!due)
    return;
  double elapsed = comity_clock_now() - run->training_since, next;
  /* By then everybody who lives has told where it is. */
  double grace = comity_config_real(run->config, "comm.silence") / 3;
  comity_haste haste = comity_deadline_decide(run->training_limit, elapsed, grace, &next);
  if (haste == COMITY_HASTE_HURRY && !run->hurries)
    comity_run_event(run, COMITY_EVENT_CUT_SHORT, -1, 0,
                     "%.3g s after training began (round.deadline: %s) everybody is asked for what there is",
                     elapsed, comity_config_text(run->config, "round.deadline"));
  if (haste != COMITY_HASTE_WAIT)
    hurry(run);
  if (haste == COMITY_HASTE_EXCLUDE)
    exclude_slow(run, elapsed);
  if (next > 0)
    comity_comm_set_alarm(run->comm, next, look, run);
}

void comity_run_expect(comity_run_state *run) {
  if (!comity_comm_is_server(run->comm) || comity_comm_size(run->comm) == 1)
    return;
  run->hurries = false;
  run->training_since = comity_clock_now();
  run->training_limit = comity_deadline_seconds(&run->deadline, &run->pace);
  if (run->training_limit > 0 || run->enough > 0)
    comity_comm_set_alarm(run->comm, run->training_limit, look, run);
}

void comity_run_expect_nothing(comity_run_state *run) {
  if (run->training_limit > 0 || run->enough > 0)
    comity_comm_set_alarm(run->comm, 0, NULL, NULL);
}

bool comity_run_is_hurried(const comity_run_state *run) {
  return (run->deadline.seconds > 0 || run->deadline.times > 0 || run->enough > 0) &&
         comity_comm_hurried(run->comm);
}

static comity_status drop(comity_run_state *run, size_t member, int rank) {
  uint32_t client = run->cohort[member];
  comity_status why = comity_fail(COMITY_ERR_TIMEOUT, "its participant was too slow for this round");
  return comity_report_absence(&run->report, client, comity_federation_client_name(run->federation, client),
                               rank, why);
}

comity_status comity_run_drop_slow(comity_run_state *run) {
  for (size_t i = 0; i < run->cohort_count; i++) {
    if (comity_report_is_done(&run->report, i))
      continue;
    int rank = run->owner[i] + 1; /* there is more than one rank, or nobody would be slow */
    if (run->too_slow[i] == 0 && rank > 0 && rank < comity_comm_size(run->comm) &&
        run->slow[rank] == run->begun)
      run->too_slow[i] = rank;
    if (run->too_slow[i] > 0)
      COMITY_TRY(drop(run, i, run->too_slow[i]));
  }
  comity_report_sort(&run->report);
  return COMITY_OK;
}

void comity_run_pace(comity_run_state *run) {
  size_t ranks = (size_t)comity_comm_size(run->comm), first = ranks > 1;
  for (size_t rank = first; rank < ranks; rank++)
    run->seconds[rank] = run->ledgers[rank].seconds[COMITY_PHASE_TRAIN];
  comity_pace_add(&run->pace, run->seconds + first, ranks - first);
}
