/* The loop: select -> local training -> aggregate -> server step -> broadcast -> evaluate -> record.
 *
 * Each of its stages is a function in one of the files beside this one, which says itself what comes next. When the
 * membership changes in the middle of one, on whichever ranks, the server chooses the stage from which all go on.
 * A rank that fails locally says so in its next report and takes part in everything until then, so no rank ever waits
 * for one that has left. */
#include "run_impl.h"

/* What people read, and what is done. */
static const struct {
  const char *name;
  comity_stage_work *work;
} stages[COMITY_STAGES] = {
    [COMITY_STAGE_TRAIN] = {"training", comity_stage_train},
    [COMITY_STAGE_REPORT] = {"report of training", comity_stage_report},
    [COMITY_STAGE_SUM] = {"sum of updates", comity_stage_sum},
    [COMITY_STAGE_ANNOUNCE] = {"broadcast of the model", comity_stage_announce},
    [COMITY_STAGE_STATISTICS] = {"statistics of features", comity_stage_statistics},
    [COMITY_STAGE_EVALUATE] = {"evaluation", comity_stage_evaluate},
    [COMITY_STAGE_RECORD] = {"record", comity_stage_record},
    [COMITY_STAGE_SAVE] = {"checkpoint", comity_stage_save},
    [COMITY_STAGE_ADMIT] = {"admission", comity_stage_admit},
    [COMITY_STAGE_FINISH] = {"model file", comity_stage_finish},
    [COMITY_STAGE_GIVE_UP] = {"last checkpoint", comity_stage_give_up},
};

const char *comity_stage_name(uint32_t stage) { return stage < COMITY_STAGES ? stages[stage].name : "end"; }

/* A stage, with the faults that are scheduled for it. */
static comity_status run_stage(comity_run_state *run) {
  comity_status status = comity_run_enter_stage(run);
  if (status == COMITY_OK)
    status = stages[run->at.stage].work(run);
  comity_faults_leave(run->faults);
  return status;
}

static comity_status regroup(comity_run_state *run) {
  comity_run_enter_regroup(run);
  comity_status status = comity_run_regroup(run);
  comity_faults_leave(run->faults);
  return status;
}

comity_status comity_run_stages(comity_run_state *run) {
  comity_status status = COMITY_OK;
  while (status == COMITY_OK && run->at.stage != COMITY_STAGE_END) {
    comity_run_tell(run, UINT64_MAX);
    status = run_stage(run);
    if (status == COMITY_INTERRUPTED)
      status = regroup(run);
  }
  return status;
}

/* All are here: from the model that there is before the first round. */
static comity_status run_all(comity_run_state *run) {
  COMITY_TRY(comity_run_survive(run));
  run->round_start = comity_clock_now();
  run->announced = COMITY_ROUND_NONE;
  comity_run_go(run, COMITY_STAGE_ANNOUNCE, run->round, comity_run_decided(run));
  return comity_run_stages(run);
}

comity_status comity_run_finish(comity_run_state *run, comity_status status, comity_run_result *result) {
  comity_guests_say_end(run->guests, status);
  if (run->progress != NULL)
    comity_progress_pause(run->progress);
  if ((status == COMITY_OK || status == COMITY_REQUEUE) && run->recorder != NULL &&
      run->options->terminal != NULL)
    comity_recorder_summary(run->recorder, run->options->terminal);
  if (result != NULL) {
    *result = (comity_run_result){.rounds = run->round, .reason = run->reason, .last = run->record};
    result->last.rank_ledger = NULL;
    result->last.absent = NULL;
    result->last.score = NULL;
    result->last.score_count = 0;
    result->last.absent_count = 0;
  }
  comity_run_close(run);
  return status;
}

/* Who is lost is replaced by another process. */
static comity_status prepare_replacements(comity_run_state *run) {
  bool may = comity_comm_is_server(run->comm) && comity_config_flag(run->config, "round.respawn") &&
             run->options->program != NULL && comity_comm_size(run->comm) > 1;
  if (may && !comity_comm_may_meet()) {
    comity_log(run->logger, COMITY_LOG_WARN,
               "nobody who is lost will be replaced (round.respawn): MPI does not allow calls from several "
               "threads here");
    return COMITY_OK;
  }
  if (!may)
    return COMITY_OK;
  COMITY_TRY(comity_guests_new(run, NULL, &run->guests));
  comity_guests_found(run->guests);
  return COMITY_OK;
}

comity_status comity_run(comity_comm *comm, const comity_config *config, const comity_run_options *options,
                         comity_run_result *result) {
  comity_run_state run = {.comm = comm, .config = config, .options = options, .start = comity_clock_now()};
  comity_status status = comity_run_prepare(&run);
  if (status == COMITY_OK)
    status = comity_run_open(&run);
  if (status == COMITY_OK)
    status = comity_comm_agree(comm, prepare_replacements(&run));
  if (status == COMITY_OK)
    status = run_all(&run);
  return comity_run_finish(&run, status, result);
}
