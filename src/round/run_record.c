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

/* Time and bytes of this rank since the last record; the next round's book begins. */
static void close_ledger(comity_run_state *run) {
  double now = comity_clock_now(), bytes = bytes_so_far(run);
  run->closing.head.ledger = run->ledger;
  run->closing.head.ledger.total = now - run->round_start;
  run->closing.head.ledger.bytes = bytes - run->bytes_before;
  run->ledger = (comity_ledger){0};
  run->round_seconds = now - run->round_start;
  run->round_start = now;
  run->bytes_before = bytes;
}

static comity_status write_record(comity_run_state *run, size_t present) {
  comity_record *record = &run->record;
  double since = comity_clock_now(), share = comity_fixed_to(run->report.head.share);
  record->round = run->round;
  record->selected = run->selected;
  record->clients = present;
  record->rate = comity_train_rate(&run->train, run->round);
  record->train_loss = share > 0 ? comity_fixed_to(run->report.head.loss) / share : NAN;
  record->ranks = (size_t)comity_comm_size(run->comm);
  record->rank_ledger = run->ledgers;
  record->ledger = run->ledgers[0];
  record->bytes = 0;
  for (size_t rank = 0; rank < record->ranks; rank++)
    record->bytes += run->ledgers[rank].bytes;
  record->absent_count = run->report.head.absences;
  record->absent = comity_report_absent(&run->report);
  comity_status status = comity_recorder_add(run->recorder, record);
  if (record->absent_count > 0)
    comity_progress_pause(run->progress);
  for (size_t i = 0; i < record->absent_count; i++)
    comity_log(run->logger, COMITY_LOG_WARN, "round %llu: client %llu (%s, rank %d) is absent: %s",
               (unsigned long long)record->round, (unsigned long long)record->absent[i].client,
               record->absent[i].name, record->absent[i].rank, record->absent[i].reason);
  comity_progress_round(run->progress, record);
  comity_run_book(run, COMITY_PHASE_IO, since);
  return status;
}

/* What the server decides at the end of a round, as it travels. */
typedef struct verdict {
  int32_t status, reason;
} verdict;

static comity_stop_reason decide(comity_run_state *run, bool stop) {
  double value = metric_of(&run->record, run->stop_rule.metric);
  double next_end =
      comity_clock_now() - run->start + run->round_seconds; /* stop before a round that would not fit */
  comity_stop_reason reason =
      comity_stop_decide(&run->stop_rule, &run->stop_memory, run->round, value, next_end);
  return reason == COMITY_STOP_NOT && stop ? COMITY_STOP_SIGNAL : reason;
}

comity_status comity_run_record(comity_run_state *run, size_t present, comity_status status) {
  comity_report_reset(&run->closing);
  close_ledger(run);
  run->closing.head.stop = comity_run_asked_to_stop(run);
  COMITY_TRY(comity_report_gather(run->comm, &run->closing, run->ledgers));
  verdict decision = {.status = COMITY_OK, .reason = COMITY_STOP_NOT};
  if (comity_comm_is_server(run->comm)) {
    decision.status = (int32_t)(status == COMITY_OK ? write_record(run, present) : status);
    decision.reason = (int32_t)decide(run, run->closing.head.stop != 0);
  }
  COMITY_TRY(comity_comm_broadcast(run->comm, &decision, sizeof decision));
  run->reason = (comity_stop_reason)decision.reason;
  if (decision.status != COMITY_OK && !comity_comm_is_server(run->comm))
    (void)comity_fail((comity_status)decision.status, "the server could not write its records");
  return (comity_status)decision.status;
}
