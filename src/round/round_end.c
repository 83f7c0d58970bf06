/* Between rounds and at the end: checkpoints, the model file, and how a run says that it ended. */
#include "run_impl.h"

#include <string.h>

static bool stops_early(const comity_run_state *run) {
  return run->reason == COMITY_STOP_SIGNAL || run->reason == COMITY_STOP_WALL;
}

static bool save_is_due(const comity_run_state *run) {
  int64_t every = comity_config_integer(run->config, "checkpoint.every");
  if (run->reason != COMITY_STOP_NOT)
    return stops_early(run) || every > 0;
  bool for_newcomers = run->admits && comity_run_states_move(run); /* they go on from the states in it */
  return every > 0 && (for_newcomers || run->round % (uint64_t)every == 0);
}

comity_status comity_stage_save(comity_run_state *run) {
  if (save_is_due(run))
    COMITY_TRY(comity_run_save(run));
  comity_run_go(run, run->reason == COMITY_STOP_NOT ? COMITY_STAGE_ADMIT : COMITY_STAGE_FINISH, run->round,
                comity_run_decided(run));
  return COMITY_OK;
}

comity_status comity_stage_admit(comity_run_state *run) {
  if (run->admits)
    return COMITY_INTERRUPTED;
  comity_run_go(run, COMITY_STAGE_TRAIN, run->round + 1, COMITY_NEXT_BEGUN);
  return COMITY_OK;
}

comity_status comity_stage_finish(comity_run_state *run) {
  COMITY_TRY(comity_run_save_model(run));
  comity_progress_pause(run->progress);
  comity_log(run->logger, COMITY_LOG_INFO, "stopped after round %llu: %s", (unsigned long long)run->round,
             comity_stop_text(run->reason));
  comity_run_go(run, COMITY_STAGE_END, run->round, comity_run_decided(run));
  return stops_early(run)
             ? comity_fail(COMITY_REQUEUE, "stopped after round %llu of %zu: %s; continue with --resume",
                           (unsigned long long)run->round, run->stop_rule.rounds,
                           comity_stop_text(run->reason))
             : COMITY_OK;
}

comity_status comity_stage_give_up(comity_run_state *run) {
  if (comity_comm_is_server(run->comm))
    comity_run_event(run, COMITY_EVENT_BELOW_QUORUM, -1, 0, "too few are left: %s, and end",
                     run->round > 0 ? "save the last complete round" : "there is no complete round to save");
  if (comity_comm_is_server(run->comm) && !run->recorded)
    comity_run_note(run, comity_run_record_bare(run));
  if (run->round > 0)
    COMITY_TRY(comity_run_save(run));
  return run->trouble == COMITY_ERR_QUORUM
             ? comity_run_noted(run)
             : comity_fail(COMITY_ERR_QUORUM, "too few clients or participants are left");
}
