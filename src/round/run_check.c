/* Everything that can be wrong with a job, before it costs a queue slot: set up as for a run, but write
 * nothing. */
#include "run_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The nearest folder above run.dir that exists must let us write. */
static comity_status check_folder(const char *folder) {
  COMITY_REQUIRE(folder[0] != '\0', COMITY_ERR_CONFIG, "run.dir is empty: name a folder for the run");
  char *path = comity_text("%s", folder);
  if (path == NULL)
    return COMITY_ERR_MEMORY;
  comity_status status = COMITY_OK;
  struct stat about;
  while (stat(path, &about) != 0 && errno == ENOENT) {
    char *slash = strrchr(path, '/');
    if (slash == NULL)
      strcpy(path, ".");
    else if (slash == path)
      path[1] = '\0';
    else
      *slash = '\0';
  }
  if (stat(path, &about) != 0)
    status = comity_fail_errno("run.dir %s: %s cannot be looked at", folder, path);
  else if (!S_ISDIR(about.st_mode))
    status =
        comity_fail(COMITY_ERR_IO, "run.dir %s: %s is a file, but a folder is needed there", folder, path);
  else if (access(path, W_OK | X_OK) != 0)
    status = comity_fail_errno("run.dir %s: %s may not be written", folder, path);
  comity_free(path);
  return status;
}

/* "12.3 KiB" or "4.56 MiB". */
static const char *sized(double bytes, char text[32]) {
  if (bytes < 1048576.0)
    snprintf(text, 32, "%.1f KiB", bytes / 1024.0);
  else
    snprintf(text, 32, "%.2f MiB", bytes / 1048576.0);
  return text;
}

/* What a participant needs, as far as it is known before the first round. */
static double participant_bytes(const comity_run_state *run) {
  const comity_protocol *protocol = &run->method.protocol;
  double floats =
      (double)protocol->down.length + (double)protocol->up.length + (double)protocol->client_state.length;
  double words = 8.0 * (double)protocol->up.length;
  return 4.0 * floats + words + (run->trainer == NULL ? 0 : (double)comity_trainer_bytes(run->trainer));
}

static void print_report(const comity_run_state *run, FILE *out) {
  const comity_federation *federation = run->federation;
  const comity_dataset_info *info = &federation->info;
  uint64_t examples = 0, smallest = UINT64_MAX, empty = 0, tests = 0, testing = 0;
  char down[32], up[32], kept[32];
  for (size_t client = 0; client < federation->clients; client++) {
    uint64_t count = federation->examples[COMITY_SPLIT_TRAIN][client];
    examples += count;
    smallest = count < smallest ? count : smallest;
    empty += count == 0;
    tests += federation->examples[COMITY_SPLIT_TEST][client];
    testing += federation->examples[COMITY_SPLIT_TEST][client] > 0;
  }
  fprintf(
      out,
      "data       %zu client%s in %zu file%s, %llu train examples (%llu to %zu a client), %zu features of "
      "type %s\n",
      federation->clients, federation->clients == 1 ? "" : "s", federation->silos,
      federation->silos == 1 ? "" : "s", (unsigned long long)examples, (unsigned long long)smallest,
      federation->most_examples, info->width, comity_dtype_name(info->type));
  if (federation->clients == 1)
    fprintf(
        out,
        "           note: one client is no federation; 'comity data partition' deals a dataset to many\n");
  if (empty > 0)
    fprintf(out, "           note: %llu clients have no train example and will be absent when selected\n",
            (unsigned long long)empty);
  if (federation->central.found)
    fprintf(out, "test       %zu central examples\n", federation->central.examples);
  else if (tests > 0)
    fprintf(out, "test       %llu held-out examples of %llu clients\n", (unsigned long long)tests,
            (unsigned long long)testing);
  else
    fprintf(out, "test       none, so only the training loss is measured; name a file in data.test, or set "
                 "data.holdout\n");
  fprintf(out, "model      %zu parameters, %zu outputs, loss %s\n", comity_model_parameters(run->model),
          comity_model_outputs(run->model), comity_model_describe(run->model)->loss);
  fprintf(out, "algorithm  %s: %s\n           %s\n", run->method.algorithm->name,
          run->method.algorithm->summary, run->method.algorithm->source);
  fprintf(out, "round      %zu of %zu clients by '%s', weighed %s, %zu rounds\n", run->want,
          federation->clients, run->selector->name,
          run->weighting == COMITY_WEIGH_EXAMPLES ? "by their examples" : "equally", run->stop_rule.rounds);
  fprintf(out, "message    %s down, %s up, %s kept by each client\n",
          sized(4.0 * (double)run->method.protocol.down.length, down),
          sized(8.0 * (double)run->method.protocol.up.length, up),
          sized(4.0 * (double)run->method.protocol.client_state.length, kept));
  fprintf(out, "memory     about %s for a participant, besides up to %.0f MiB of data\n",
          sized(participant_bytes(run), down), comity_config_real(run->config, "data.cache"));
}

comity_status comity_run_check(comity_comm *comm, const comity_config *config, FILE *report) {
  comity_run_options options = {0};
  comity_run_state run = {.comm = comm, .config = config, .options = &options, .only_checks = true};
  comity_status status = comity_run_prepare(&run);
  if (status == COMITY_OK)
    status = comity_comm_agree(comm, comity_comm_is_server(comm) ? check_folder(run.folder) : COMITY_OK);
  if (status == COMITY_OK && report != NULL && comity_comm_is_server(comm))
    print_report(&run, report);
  comity_run_close(&run);
  return status;
}
