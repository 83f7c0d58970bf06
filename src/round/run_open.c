/* Opening a run: its folder, log and records, and the states of the clients that this rank hosts. */
#include "run_impl.h"

#include "core/core_impl.h"

#include <string.h>

/* --------------------------------------------------------------------------------------------- the folder */

static comity_log_level level_of(const char *name) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  for (int level = 0; level < 4; level++)
    if (strcmp(name, names[level]) == 0)
      return (comity_log_level)level;
  return COMITY_LOG_INFO;
}

/* The server writes log.txt and speaks to the terminal; other ranks write a log of their own when asked to.
 */
static comity_status open_log(comity_run_state *run) {
  bool server = comity_comm_is_server(run->comm);
  if (!server && !comity_config_flag(run->config, "run.log_ranks"))
    return COMITY_OK;
  int rank = comity_comm_rank(run->comm);
  char *path =
      server ? comity_text("%s/log.txt", run->folder) : comity_text("%s/log-rank%d.txt", run->folder, rank);
  if (path == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = comity_logger_new(server ? run->options->terminal : NULL, path,
                                           level_of(comity_config_text(run->config, "run.log_level")),
                                           server ? -1 : rank, &run->logger);
  comity_free(path);
  return status;
}

static comity_status open_folder(comity_run_state *run, char **moved_to) {
  return comity_comm_is_server(run->comm)
             ? comity_run_folder_open(run->config, run->options->resume, moved_to)
             : COMITY_OK;
}

/* The resolved job, written only now: a job that was refused must not replace the one that made the run. */
static comity_status write_job(const comity_run_state *run) {
  char *path = comity_text("%s/job.yaml", run->folder);
  comity_status status =
      path == NULL ? COMITY_ERR_MEMORY : comity_file_write(path, run->job, strlen(run->job));
  comity_free(path);
  return status;
}

/* That this is another process than the one that began the run. */
static comity_status note_resumed(const comity_run_state *run) {
  comity_event event = {
      .kind = COMITY_EVENT_RESUMED, .round = run->round, .rank = -1, .client = COMITY_EVENT_NO_CLIENT};
  if (run->round > 0)
    snprintf(event.text, sizeof event.text, "goes on after round %llu", (unsigned long long)run->round);
  else
    snprintf(event.text, sizeof event.text, "begins anew: there was no checkpoint yet");
  return comity_recorder_event(run->recorder, &event);
}

static comity_status open_records(comity_run_state *run) {
  if (!comity_comm_is_server(run->comm))
    return COMITY_OK;
  COMITY_TRY(write_job(run));
  COMITY_TRY(comity_recorder_new(run->folder, (size_t)comity_comm_size(run->comm), run->round, run->job,
                                 &run->recorder));
  if (run->options->resume)
    COMITY_TRY(note_resumed(run));
  FILE *terminal = run->options->terminal;
  const char *how = comity_config_text(run->config, "run.progress");
  if (terminal == NULL || strcmp(how, "none") == 0)
    return COMITY_OK;
  bool in_place = strcmp(how, "line") == 0 || (strcmp(how, "auto") == 0 && run->options->in_place);
  return comity_progress_new(terminal, run->stop_rule.rounds, run->round, in_place, &run->progress);
}

/* States live on the rank that hosts the client; spilled ones in files of the run folder. */
static comity_status open_some_states(const comity_run_state *run, const char *name, comity_states **states) {
  bool disk = run->trainer != NULL && strcmp(comity_config_text(run->config, "clients.state"), "disk") == 0;
  char *path = disk ? comity_text("%s/%s-rank%d.part", run->folder, name, comity_comm_rank(run->comm)) : NULL;
  if (disk && path == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = comity_states_new(run->method.protocol.client_state.length, path, states);
  comity_free(path);
  return status;
}

static comity_status open_states(comity_run_state *run) {
  COMITY_TRY(open_some_states(run, "states", &run->states));
  return open_some_states(run, "pending", &run->pending);
}

/* ------------------------------------------------------------------------------------------------ opening */

static void say_hello(const comity_run_state *run) {
  const comity_algorithm *algorithm = run->method.algorithm;
  const comity_federation *federation = run->federation;
  int size = comity_comm_size(run->comm);
  comity_log(run->logger, COMITY_LOG_INFO, "%s (%s)", algorithm->name, algorithm->source);
  comity_log(run->logger, COMITY_LOG_INFO,
             "%zu client%s, %zu a round by '%s', weighed %s, on %d participant%s%s", federation->clients,
             federation->clients == 1 ? "" : "s", run->want, run->selector->name,
             run->weighting == COMITY_WEIGH_EXAMPLES ? "by their examples" : "equally",
             comity_comm_participants(run->comm), comity_comm_participants(run->comm) == 1 ? "" : "s",
             size == 1 ? " (the server itself)" : " and a server");
  if (algorithm->client_train != NULL)
    comity_log(run->logger, COMITY_LOG_INFO,
               "%s replaces local training: train.epochs, steps, batch and momentum are not used",
               algorithm->name);
  char kernels[COMITY_KERNELS_TEXT];
  comity_log(run->logger, COMITY_LOG_INFO, "kernels: %s (model.kernels: %s)", comity_kernels_text(kernels),
             comity_config_text(run->config, "model.kernels"));
  comity_log(run->logger, COMITY_LOG_INFO, "%zu parameters; records in %s",
             comity_model_parameters(run->model), run->folder);
}

/* Takes `moved_to`: what was put out of the way. */
static comity_status open_log_saying(comity_run_state *run, char *moved_to) {
  comity_status status = open_log(run);
  if (status == COMITY_OK && moved_to != NULL)
    comity_log(run->logger, COMITY_LOG_INFO, "the earlier run in %s is now %s", run->folder, moved_to);
  comity_free(moved_to);
  return status;
}

comity_status comity_run_open_folder(comity_run_state *run) {
  char *moved_to = NULL;
  COMITY_TRY(open_folder(run, &moved_to));
  return open_log_saying(run, moved_to);
}

comity_status comity_run_open(comity_run_state *run) {
  comity_comm *comm = run->comm;
  bool opens = run->logger == NULL; /* a server that waited for silos has both already */
  char *moved_to = NULL;
  COMITY_TRY(comity_comm_agree(comm, opens ? open_folder(run, &moved_to) : COMITY_OK));
  comity_status status = opens ? open_log_saying(run, moved_to) : COMITY_OK;
  if (status == COMITY_OK) {
    say_hello(run);
    status = open_states(run);
  }
  COMITY_TRY(comity_comm_agree(comm, status));
  COMITY_TRY(comity_run_compare_kernels(run));
  comity_run_tell_faults(run);
  if (run->options->resume) {
    COMITY_TRY(comity_run_resume(run));
    COMITY_TRY(comity_run_resume_faults(run));
  }
  status = open_records(run);
  if (status == COMITY_OK && run->guests != NULL)
    status = comity_guests_record_early(run->guests);
  return comity_comm_agree(comm, status);
}

/* At another site there may be no such folder yet. */
comity_status comity_run_open_alone(comity_run_state *run) {
  bool writes = comity_config_flag(run->config, "run.log_ranks") ||
                strcmp(comity_config_text(run->config, "clients.state"), "disk") == 0;
  if (writes)
    COMITY_TRY(comity_folder_make(run->folder));
  COMITY_TRY(open_log(run));
  return open_states(run);
}
