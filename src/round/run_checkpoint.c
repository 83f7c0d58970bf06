/* What of a run outlives its processes: checkpoints, going on from one, and the model at the end. */
#include "run_impl.h"

#include <string.h>

/* Slots of a checkpoint's counters that belong to the loop. */
enum { COUNTER_BEST, COUNTER_BEST_ROUND, COUNTER_LAST, COUNTER_LAST_ROUND, COUNTER_CLIENTS, COUNTER_DATA };

/* ----------------------------------------------------------------------------------------------- resuming */

/* All that would change the results. \param[out] difference  "" if nothing */
static comity_status compare(const comity_run_state *run, const comity_config *theirs, char **difference) {
  COMITY_TRY(comity_config_compare(run->config, theirs, difference));
  if ((*difference)[0] != '\0')
    return COMITY_OK;
  comity_free(*difference);
  *difference = NULL;
  return comity_run_same_drops(run, theirs, difference);
}

/* A checkpoint belongs to the job that wrote it: what would change the results must be the same. The watched
 * metric may change, but then what was remembered of the other one means nothing. */
static comity_status same_job(const comity_run_state *run, const char *path, const char *text,
                              bool *same_metric) {
  comity_config *theirs = NULL;
  char *difference = NULL;
  comity_status status = comity_config_new(&theirs);
  if (status == COMITY_OK)
    status = comity_config_parse(theirs, path, text, strlen(text));
  if (status == COMITY_OK)
    status = compare(run, theirs, &difference);
  if (status == COMITY_OK)
    *same_metric = strcmp(comity_config_text(theirs, "server.metric"), run->stop_rule.metric) == 0;
  if (status == COMITY_OK && difference[0] != '\0') {
    if (run->options->force)
      comity_log(run->logger, COMITY_LOG_WARN, "%s: continuing a changed job, as forced: %s", path,
                 difference);
    else
      status =
          comity_fail(COMITY_ERR_CHECKPOINT, "%s: belongs to another job: %s; --force continues all the same",
                      path, difference);
  }
  comity_free(difference);
  comity_config_destroy(&theirs);
  return status;
}

/* What the stop rule remembers, to and from a checkpoint's counters. */
static void note_memory(const comity_stop_memory *memory, uint64_t *counter) {
  memcpy(&counter[COUNTER_BEST], &memory->best, sizeof memory->best);
  counter[COUNTER_BEST_ROUND] = memory->best_round;
  memcpy(&counter[COUNTER_LAST], &memory->last, sizeof memory->last);
  counter[COUNTER_LAST_ROUND] = memory->last_round;
}

static void recall_memory(const uint64_t *counter, comity_stop_memory *memory) {
  memcpy(&memory->best, &counter[COUNTER_BEST], sizeof memory->best);
  memory->best_round = counter[COUNTER_BEST_ROUND];
  memcpy(&memory->last, &counter[COUNTER_LAST], sizeof memory->last);
  memory->last_round = counter[COUNTER_LAST_ROUND];
}

/* What the settings do not show: how many clients there are (with a {rank} pattern the number of files may follow that of
 * ranks), and how many examples each has. */
static comity_status same_data(const comity_run_state *run, const char *path, const uint64_t *counter) {
  const comity_federation *federation = run->federation;
  COMITY_REQUIRE(
      counter[COUNTER_CLIENTS] == federation->clients || run->options->force, COMITY_ERR_CHECKPOINT,
      "%s: was written by a federation of %llu clients, but now there are %zu; give the same files "
      "(data.path=%s), or --force to continue all the same",
      path, (unsigned long long)counter[COUNTER_CLIENTS], federation->clients,
      comity_config_text_at(run->config, "data.path", 0));
  uint64_t digest;
  if (counter[COUNTER_DATA] == 0 ||
      !comity_federation_is_known(federation)) /* a silo had, or has, not come */
    return COMITY_OK;
  COMITY_TRY(comity_federation_digest(federation, &digest));
  COMITY_REQUIRE(
      counter[COUNTER_DATA] == digest || run->options->force, COMITY_ERR_CHECKPOINT,
      "%s: was written when clients had other numbers of examples than %s has now; give the same data, or "
      "--force to continue all the same",
      path, comity_config_text_at(run->config, "data.path", 0));
  return COMITY_OK;
}

/* What this rank reads of a checkpoint, work aside. */
typedef struct reading {
  comity_run_state *run;
  const char *path;
  int participant;
} reading;

static comity_status read_server_part(void *self) {
  const reading *r = self;
  comity_run_state *run = r->run;
  const char *path = r->path;
  comity_checkpoint checkpoint = {.parameters = comity_model_parameters(run->model),
                                  .model = run->global,
                                  .server_length = run->method.protocol.server_state.length,
                                  .server_state = run->server_state};
  char *job = NULL;
  bool same_metric = true;
  COMITY_TRY(comity_checkpoint_job(path, &job));
  comity_status status = same_job(run, path, job, &same_metric);
  comity_free(job);
  COMITY_TRY(status);
  COMITY_TRY(comity_checkpoint_read(path, &checkpoint, NULL));
  COMITY_TRY(same_data(run, path, checkpoint.counter));
  run->round = checkpoint.round;
  if (same_metric)
    recall_memory(checkpoint.counter, &run->stop_memory);
  run->reason = comity_stop_resume(&run->stop_rule, &run->stop_memory, run->round);
  comity_log(run->logger, COMITY_LOG_INFO, "continuing after round %llu from %s",
             (unsigned long long)run->round, path);
  return COMITY_OK;
}

static bool hosted_here(void *context, uint64_t client) {
  const reading *r = context;
  const comity_run_state *run = r->run;
  return client < run->federation->clients && run->trainer != NULL &&
         comity_federation_host(run->federation, client) == r->participant;
}

static comity_status read_states(void *self) {
  reading *r = self;
  return comity_checkpoint_states(r->path, hosted_here, r, r->run->states);
}

comity_status comity_run_resume(comity_run_state *run) {
  char *path = NULL;
  COMITY_TRY(comity_checkpoint_find(run->comm, run->folder, run->logger, &path));
  if (path == NULL) {
    comity_log(run->logger, COMITY_LOG_INFO, "%s holds no checkpoint yet: starting at round 1", run->folder);
    return COMITY_OK;
  }
  reading r = {.run = run, .path = path, .participant = comity_comm_participant(run->comm)};
  comity_status status =
      comity_comm_is_server(run->comm) ? comity_comm_aside(run->comm, read_server_part, &r) : COMITY_OK;
  status = comity_comm_agree(run->comm, status);
  if (status == COMITY_OK) {
    bool stateful = run->method.protocol.client_state.length > 0;
    status =
        comity_comm_agree(run->comm, stateful ? comity_comm_aside(run->comm, read_states, &r) : COMITY_OK);
  }
  comity_free(path);
  COMITY_TRY(status);
  uint64_t position[] = {run->round, (uint64_t)run->reason};
  COMITY_TRY(comity_comm_broadcast(run->comm, position, sizeof position));
  run->round = position[0];
  run->reason = (comity_stop_reason)position[1];
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------------- saving */

/* What only the server has to do before a checkpoint, which may take long: work aside. */
typedef struct preparation {
  comity_run_state *run;
  comity_states *absent; /* the states of clients whose participants are */
} preparation;

static comity_status prepare_to_save(void *self) {
  preparation *p = self;
  COMITY_TRY(comity_run_absent_states(p->run, &p->absent));
  return p->run->recorder == NULL ? COMITY_OK : comity_recorder_flush(p->run->recorder);
}

comity_status comity_run_save(comity_run_state *run) {
  double since = comity_clock_now();
  comity_checkpoint checkpoint = {.round = run->round,
                                  .parameters = comity_model_parameters(run->model),
                                  .model = run->global,
                                  .server_length = run->method.protocol.server_state.length,
                                  .server_state = run->server_state,
                                  .job = run->job};
  note_memory(&run->stop_memory, checkpoint.counter);
  checkpoint.counter[COUNTER_CLIENTS] = run->federation->clients;
  comity_status status = COMITY_OK;
  if (comity_federation_is_known(run->federation))
    status = comity_federation_digest(run->federation, &checkpoint.counter[COUNTER_DATA]);
  preparation p = {.run = run}; /* a server with participants hosts nobody itself */
  if (status == COMITY_OK && comity_comm_is_server(run->comm))
    status = comity_comm_aside(run->comm, prepare_to_save, &p);
  COMITY_TRY_OR(done, comity_comm_agree(run->comm, status));
  if (run->federation->apart)
    COMITY_TRY_OR(done, comity_run_states_collect(run, &p.absent));
  const comity_states *states = p.absent != NULL ? p.absent : run->federation->apart ? NULL : run->states;
  status =
      comity_checkpoint_write(run->comm, run->folder, &checkpoint, states,
                              (size_t)comity_config_integer(run->config, "checkpoint.keep"), run->logger);
done:
  comity_states_destroy(&p.absent);
  comity_run_book(run, COMITY_PHASE_IO, since);
  return status;
}

static comity_status write_model(void *self) {
  const comity_run_state *run = self;
  char *path = comity_text("%s/model.h5", run->folder);
  comity_model_file file = {.model = run->model,
                            .parameters = run->global,
                            .mean = run->federation->mean,
                            .inverse = run->federation->inverse,
                            .scale = run->federation->info.scale,
                            .round = run->round,
                            .job = run->job};
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : comity_model_write(path, &file);
  comity_free(path);
  COMITY_TRY(status);
  return comity_recorder_flush(run->recorder);
}

comity_status comity_run_save_model(comity_run_state *run) {
  bool server = comity_comm_is_server(run->comm);
  return comity_run_agree(run, server ? comity_comm_aside(run->comm, write_model, run) : COMITY_OK);
}
