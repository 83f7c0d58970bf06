/* comity serve: a server to which silos come by themselves. */
#include "app_impl.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: comity serve JOB.yaml [KEY=VALUE ...] [--resume] [--force] [--quiet]\n"
    "\n"
    "Serve a job whose silos come by themselves, from wherever they are, with 'comity join': those whose public keys\n"
    "are in silos.keys. The server reads no training data: data.path is not used.\n"
    "\n"
    "It starts an mpirun and an ompi-server of its own and writes where it is to server.addr in run.dir, which every\n"
    "silo needs. The first round begins when all silos are there, or, if the job sets it above 1, round.min_participants\n"
    "of them; at the latest after silos.wait seconds. From then on silos may come late, leave, be lost and come back.\n"
    "\n"
    "  --resume   go on from the newest good checkpoint in run.dir; start anew when there is none\n"
    "  --force    with --resume: also when the job has changed\n"
    "  --quiet    print nothing but errors\n"
    "\n"
    "Signals and exit codes are those of 'comity train'.\n"
    "\n"
    "  comity serve jobs/silo/serve.yaml run.dir=run/hearts\n";

/* Nobody's data are here. */
static comity_status read_job(comity_config *config, const char *path, char *const *overrides, size_t count) {
  COMITY_TRY(comity_config_load(config, path));
  for (size_t i = 0; i < count; i++)
    COMITY_TRY(comity_config_override(config, overrides[i]));
  COMITY_TRY(comity_config_override(config, "data.path=[]"));
  COMITY_TRY(comity_config_override(config, "data.silos=0"));
  return comity_config_check(config);
}

static comity_status serve(const char *path, char *const *overrides, size_t count,
                           const comity_app_flags *given) {
  const char *slash = strrchr(path, '/'), *rendezvous = getenv("COMITY_RENDEZVOUS");
  comity_serve_options options = {.job = slash == NULL ? path : slash + 1,
                                  .rendezvous = rendezvous == NULL ? "" : rendezvous};
  comity_run_options how = {.resume = given->resume,
                            .force = given->force,
                            .terminal = given->quiet ? NULL : stdout,
                            .in_place = false,
                            .stop = comity_app_stop(),
                            .alive = comity_app_note_alive};
  comity_config *config = NULL;
  COMITY_REQUIRE(
      rendezvous != NULL, COMITY_ERR_USAGE,
      "comity serve starts mpirun itself; where that cannot be, name in COMITY_RENDEZVOUS the ompi-server "
      "that mpirun was told by --ompi-server");
  COMITY_TRY(comity_config_new(&config));
  comity_status status = read_job(config, path, overrides, count);
  if (status == COMITY_OK)
    status = comity_serve(config, &options, &how, NULL);
  comity_config_destroy(&config);
  return status;
}

int comity_app_serve(int argc, char **argv) {
  comity_app_flags given;
  char **all = NULL; /* as they were: getopt moves them */
  if (COMITY_NEW(all, (size_t)argc + 1) != COMITY_OK)
    return comity_app_fail(COMITY_ERR_MEMORY);
  memcpy(all, argv, (size_t)argc * sizeof *all);
  int code = comity_app_run_flags(argc, argv, usage, &given);
  if (code < 0 && !comity_app_is_launched())
    code = comity_app_launch(NULL, argc, all);
  comity_free(all);
  if (code >= 0)
    return code;
  comity_status status = comity_app_begin(&argc, &argv, true);
  if (status == COMITY_OK)
    status = serve(argv[optind], argv + optind + 1, (size_t)(argc - optind - 1), &given);
  comity_app_leave(status);
}
