/* Faults by schedule in a run: read, told, and let happen where stages begin and clients train. */
#include "run_impl.h"

#include "core/core_impl.h"

#include <limits.h>
#include <string.h>

/* Whom the schedule calls by which name: a word of the schedule for each stage. */
static const comity_fault_stage names[COMITY_STAGES] = {
    [COMITY_STAGE_TRAIN] = COMITY_FAULT_TRAIN,       [COMITY_STAGE_REPORT] = COMITY_FAULT_REPORT,
    [COMITY_STAGE_SUM] = COMITY_FAULT_SUM,           [COMITY_STAGE_ANNOUNCE] = COMITY_FAULT_ANNOUNCE,
    [COMITY_STAGE_EVALUATE] = COMITY_FAULT_EVALUATE, [COMITY_STAGE_STATISTICS] = COMITY_FAULT_EVALUATE,
    [COMITY_STAGE_RECORD] = COMITY_FAULT_RECORD,     [COMITY_STAGE_SAVE] = COMITY_FAULT_SAVE,
    [COMITY_STAGE_ADMIT] = COMITY_FAULT_BETWEEN,     [COMITY_STAGE_FINISH] = COMITY_FAULT_FINISH,
    [COMITY_STAGE_GIVE_UP] = COMITY_FAULT_SAVE};

static comity_status read_schedule(const comity_config *config, const comity_fault_scope *scope,
                                   comity_faults **faults) {
  size_t count = comity_config_length(config, "faults.schedule");
  if (count == 0)
    return COMITY_OK;
  COMITY_TRY(comity_faults_new(scope, faults));
  for (size_t i = 0; i < count; i++)
    COMITY_TRY(comity_faults_add(*faults, comity_config_item_origin(config, "faults.schedule", i),
                                 comity_config_text_at(config, "faults.schedule", i)));
  return COMITY_OK;
}

static comity_fault_scope scope_of(const comity_run_state *run, const comity_config *config) {
  int size = comity_comm_size(run->comm);
  return (comity_fault_scope){.seed = (uint64_t)comity_config_integer(config, "faults.seed"),
                              .rounds = run->stop_rule.rounds,
                              .clients = run->federation->clients,
                              .ranks = size == 1 && run->only_checks ? 0 : size};
}

comity_status comity_run_read_faults(comity_run_state *run) {
  comity_fault_scope scope = scope_of(run, run->config);
  return read_schedule(run->config, &scope, &run->faults);
}

void comity_run_tell_faults(const comity_run_state *run) {
  for (size_t i = 0; i < comity_faults_count(run->faults); i++)
    comity_log(run->logger, COMITY_LOG_WARN, "faults are scheduled: %s", comity_faults_text(run->faults, i));
}

comity_status comity_run_same_drops(const comity_run_state *run, const comity_config *theirs,
                                    char **difference) {
  comity_faults *faults = NULL;
  comity_fault_scope scope = scope_of(run, theirs);
  scope.rounds = (uint64_t)comity_config_integer(theirs, "server.rounds");
  scope.ranks = INT_MAX; /* on however many it was: whom random drops hit does not depend on it */
  char *ours_text = NULL, *their_text = NULL;
  comity_status status = read_schedule(theirs, &scope, &faults);
  if (status == COMITY_OK)
    status = comity_faults_drops(run->faults, &ours_text);
  if (status == COMITY_OK)
    status = comity_faults_drops(faults, &their_text);
  if (status == COMITY_OK) {
    bool same = strcmp(ours_text, their_text) == 0;
    *difference = same ? comity_text("%s", "")
                       : comity_text("faults.schedule: '%s' here, '%s' there", ours_text, their_text);
    status = *difference == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  }
  comity_free(ours_text);
  comity_free(their_text);
  comity_faults_destroy(&faults);
  return status;
}

/* Rounds that an earlier start of this job began: each that is complete has a line in metrics.jsonl. */
static uint64_t rounds_begun(const char *folder) {
  char *path = comity_text("%s/metrics.jsonl", folder), *text = NULL;
  size_t length;
  uint64_t rounds = 0;
  if (path != NULL && comity_file_read(path, &text, &length) == COMITY_OK) {
    rounds = 1;
    for (size_t i = 0; i < length; i++)
      rounds += text[i] == '\n';
  } else {
    comity_error_clear();
  }
  comity_free(text);
  comity_free(path);
  return rounds;
}

comity_status comity_run_resume_faults(comity_run_state *run) {
  if (comity_faults_count(run->faults) == 0)
    return COMITY_OK;
  uint64_t reached = comity_comm_is_server(run->comm) ? rounds_begun(run->folder) : 0;
  COMITY_TRY(comity_comm_broadcast(run->comm, &reached, sizeof reached));
  run->spared = reached;
  comity_faults_resume(run->faults, reached);
  if (reached > 0)
    comity_log(run->logger, COMITY_LOG_WARN,
               "nobody is struck by schedule up to round %llu, which an earlier start reached",
               (unsigned long long)reached);
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------- as they happen */

/* Slow, but alive. */
static comity_status be_slow(comity_run_state *run, double seconds, comity_phase phase) {
  double since = comity_clock_now(), end = since + seconds;
  comity_status status = COMITY_OK;
  for (double now = since; now < end && status == COMITY_OK && !comity_run_is_hurried(run);
       now = comity_clock_now()) {
    comity_clock_sleep(end - now < 0.005 ? end - now : 0.005);
    status = comity_comm_tend(run->comm);
  }
  if (seconds > 0)
    comity_run_book(run, phase, since);
  return status;
}

comity_status comity_run_enter_stage(comity_run_state *run) {
  comity_fault_stage stage = names[run->at.stage];
  double seconds = comity_faults_enter(run->faults, comity_comm_rank(run->comm), run->at.round, stage);
  return be_slow(run, seconds, stage == COMITY_FAULT_TRAIN ? COMITY_PHASE_TRAIN : COMITY_PHASE_WAIT);
}

/* Nobody is waited for meanwhile, so there is nobody to give signs of life to. */
void comity_run_enter_regroup(comity_run_state *run) {
  comity_clock_sleep(
      comity_faults_enter(run->faults, comity_comm_rank(run->comm), run->at.round, COMITY_FAULT_REGROUP));
}

comity_status comity_run_be_late(comity_run_state *run, size_t client) {
  return be_slow(run, comity_faults_client_delay(run->faults, client, run->begun), COMITY_PHASE_TRAIN);
}

/* A rank stands for the clients that it trains while everybody is here, whoever trains them now. */
comity_status comity_run_drop(comity_run_state *run) {
  size_t count = run->cohort_count;
  int *home, first = comity_comm_size(run->comm) > 1;
  if (comity_faults_count(run->faults) == 0)
    return COMITY_OK;
  COMITY_TRY(COMITY_NEW(home, count));
  comity_status status = COMITY_OK;
  if (run->balanced)
    status = comity_assign_balanced(run->work, count, comity_comm_participants(run->comm), home);
  else
    for (size_t i = 0; i < count; i++)
      home[i] = comity_federation_home(run->federation, run->cohort[i]);
  for (size_t i = 0; i < count && status == COMITY_OK; i++)
    run->dropped[i] = comity_faults_absent(run->faults, run->begun, run->cohort[i], home[i] + first);
  comity_free(home);
  return status;
}
