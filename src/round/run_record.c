/* The end of a round: ledgers come to the server, which writes the record and decides whether to go on. */
#include "run_impl.h"

#include <math.h>
#include <string.h>

static double metric_of(const comity_record *record, const char *name) {
  if (strcmp(name, "test_loss") == 0)
    return record->test_loss;
  if (strcmp(name, "test_auc") == 0)
    return record->test_auc;
  return strcmp(name, "train_loss") == 0 ? record->train_loss : record->test_accuracy;
}

static double bytes_so_far(const comity_run_state *run) {
  double bytes = 0;
  for (int operation = 0; operation < COMITY_OPERATION_COUNT; operation++)
    bytes += (double)comity_comm_cost(run->comm, (comity_operation)operation).bytes;
  return bytes;
}

/* What each rank tells at the end of a round; what it evaluated follows. */
typedef struct closing {
  comity_ledger ledger;
  uint64_t stop; /* whether this rank was asked to stop */
} closing;

/* Looking costs a few system calls, and a peak changes rarely. */
static double peak(comity_run_state *run, double now) {
  if (run->memory == 0 || now >= run->memory_due) {
    run->memory = comity_memory_peak();
    run->memory_due = now + 1;
  }
  return run->memory;
}

/* Time and bytes of this rank since the last record; the next round's book begins. */
static closing close_ledger(comity_run_state *run) {
  double now = comity_clock_now(), bytes = bytes_so_far(run);
  run->told = run->ledger;
  run->told_start = run->round_start;
  run->told_bytes = run->bytes_before;
  closing mine = {.ledger = run->ledger, .stop = comity_run_asked_to_stop(run) && !run->leaves_alone};
  mine.ledger.total = now - run->round_start;
  mine.ledger.bytes = bytes - run->bytes_before;
  mine.ledger.memory = peak(run, now);
  run->ledger = (comity_ledger){0};
  run->round_seconds = now - run->round_start;
  run->round_start = now;
  run->bytes_before = bytes;
  return mine;
}

void comity_run_reopen_ledger(comity_run_state *run) {
  if (run->told_start == 0)
    return;
  for (int phase = 0; phase < COMITY_PHASE_COUNT; phase++)
    run->ledger.seconds[phase] += run->told.seconds[phase];
  run->round_start = run->told_start;
  run->bytes_before = run->told_bytes;
  run->told_start = 0;
}

static comity_status add_record(void *self) {
  const comity_run_state *run = self;
  return comity_recorder_add(run->recorder, &run->record);
}

static comity_status write_record(comity_run_state *run) {
  comity_record *record = &run->record;
  double share = comity_fixed_to(run->report.share);
  record->round = run->round;
  record->selected = run->selected;
  record->clients = run->present;
  record->rate = comity_train_rate(&run->train, run->round);
  record->train_loss = share > 0 ? comity_fixed_to(run->report.loss) / share : NAN;
  record->ranks = (size_t)comity_comm_size(run->comm);
  record->rank_ledger = run->ledgers;
  record->ledger = run->ledgers[0];
  record->overhead = comity_ledger_overhead(run->ledgers, record->ranks);
  record->bytes = 0;
  for (size_t rank = 0; rank < record->ranks; rank++)
    record->bytes += run->ledgers[rank].bytes;
  record->absent_count = run->report.absences;
  record->absent = run->report.absent;
  comity_status status =
      comity_recorder_is_due(run->recorder) ? comity_comm_aside(run->comm, add_record, run) : add_record(run);
  for (size_t i = 0; i < record->absent_count; i++) {
    if (record->absent[i].status == COMITY_ERR_TIMEOUT && run->enough > 0)
      continue; /* more were asked than are needed: the record says so */
    comity_progress_pause(run->progress);
    comity_log(run->logger, COMITY_LOG_WARN, "round %llu: client %llu (%s, rank %d) is absent: %s",
               (unsigned long long)record->round, (unsigned long long)record->absent[i].client,
               record->absent[i].name, record->absent[i].rank, record->absent[i].reason);
  }
  comity_progress_round(run->progress, record);
  return status;
}

/* Whether the client was missed. When more were asked than are needed, the slowest are not. */
static bool is_late(const comity_run_state *run, const comity_absence *absent) {
  return absent->status == COMITY_ERR_TIMEOUT && run->enough == 0;
}

/* That the round is complete though not all members were. */
static void tell_incomplete(comity_run_state *run) {
  size_t lost = 0, late = 0;
  for (size_t i = 0; i < run->report.absences; i++) {
    const comity_absence *absent = &run->report.absent[i];
    lost += absent->status == COMITY_ERR_EXCLUDED && !comity_comm_is_present(run->comm, absent->rank);
    late += is_late(run, absent);
  }
  if ((lost > 0 && run->retries > 0) || late > 0)
    comity_run_event(
        run, COMITY_EVENT_COMPLETED_WITHOUT, -1, 0,
        "complete without %zu of %zu clients, whose participants are lost (%zu) or were slow (%zu)",
        lost + late, run->selected, lost, late);
}

static comity_stop_reason decide(comity_run_state *run, bool stop) {
  double value = metric_of(&run->record, run->stop_rule.metric);
  double next_end =
      comity_clock_now() - run->start + run->round_seconds; /* stop before a round that would not fit */
  comity_stop_reason reason =
      comity_stop_decide(&run->stop_rule, &run->stop_memory, run->round, value, next_end);
  return reason == COMITY_STOP_NOT && stop ? COMITY_STOP_SIGNAL : reason;
}

/* What the server tells at the end of a round. */
typedef struct decision {
  uint64_t reason; /* comity_stop_reason */
  uint64_t admits; /* the membership is about to change */
} decision;

/* On the server: all ranks' reports become the record and the decision. */
static comity_status use_reports(comity_run_state *run, const comity_gathered *gathered, decision *decided) {
  bool stop = false;
  for (size_t rank = 0; rank < gathered->count; rank++) {
    closing theirs;
    run->parts[rank] = comity_message_of(gathered, rank);
    run->ledgers[rank] = (comity_ledger){0};
    if (!comity_comm_is_present(run->comm, (int)rank))
      continue;
    COMITY_TRY(comity_comm_reject(run->comm, (int)rank,
                                  comity_message_take(&run->parts[rank], &theirs, sizeof theirs)));
    run->ledgers[rank] = theirs.ledger;
    stop = stop || theirs.stop != 0;
  }
  COMITY_TRY(comity_evaluation_merge(run->evaluation, run->parts, gathered->count, &run->record));
  tell_incomplete(run);
  COMITY_TRY(write_record(run));
  comity_run_pace(run);
  run->reason = decide(run, stop);
  run->recorded = true;
  *decided = (decision){.reason = (uint64_t)run->reason,
                        .admits = comity_comm_knocking(run->comm) || comity_guests_want_in(run->guests)};
  return COMITY_OK;
}

comity_status comity_run_record_bare(comity_run_state *run) {
  for (int rank = 0; rank < comity_comm_size(run->comm); rank++)
    run->ledgers[rank] = (comity_ledger){0};
  run->ledgers[0] = close_ledger(run).ledger;
  COMITY_TRY(comity_evaluation_run(run->evaluation, run->round, run->global, false, false));
  COMITY_TRY(comity_evaluation_merge(run->evaluation, NULL, 0, &run->record));
  COMITY_TRY(write_record(run));
  run->recorded = true;
  return COMITY_OK;
}

static comity_status report(comity_run_state *run, comity_gathered *gathered) {
  comity_message *message = &run->closing;
  comity_status local = comity_run_noted(run);
  closing mine = close_ledger(run);
  message->length = 0;
  if (local == COMITY_OK)
    local = comity_message_add(message, &mine, sizeof mine);
  if (local == COMITY_OK)
    local = comity_evaluation_report(run->evaluation, message);
  double since = comity_clock_now();
  comity_status status = comity_comm_report(run->comm, local, message->bytes, message->length, gathered);
  comity_run_book(run, COMITY_PHASE_WAIT, since);
  return status;
}

comity_status comity_stage_record(comity_run_state *run) {
  comity_gathered gathered = {0};
  decision decided = {0};
  comity_status status = report(run, &gathered);
  double since = comity_clock_now();
  if (status == COMITY_OK && comity_comm_is_server(run->comm)) {
    run->known = true;
    status = use_reports(run, &gathered, &decided);
    if (status != COMITY_INTERRUPTED)
      comity_run_note(run, status); /* should the verdict be interrupted */
    since = comity_run_book(run, COMITY_PHASE_IO, since);
  }
  comity_gathered_clear(&gathered);
  if (status == COMITY_INTERRUPTED)
    return status;
  COMITY_TRY(comity_comm_broadcast_status(run->comm, status, &decided, sizeof decided));
  comity_run_book(run, comity_run_answer(run), since);
  run->reason = (comity_stop_reason)decided.reason;
  run->admits = decided.admits != 0;
  run->told_start = 0;
  run->retries = 0;
  run->trouble_since = 0;
  comity_run_go(run, COMITY_STAGE_SAVE, run->at.round, comity_run_decided(run));
  return COMITY_OK;
}
