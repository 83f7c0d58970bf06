/* comity inspect: what is in a dataset, a model file, a checkpoint or a run folder, for people. */
#include "app_impl.h"

#include "core/core_impl.h"

#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] = "usage: comity inspect [--hash] PATH ...\n"
                            "\n"
                            "Say what a dataset, a model file, a checkpoint or a run folder holds.\n"
                            "\n"
                            "  --hash   print one line: BLAKE2b-256 of the parameters' bits alone (model "
                            "file, checkpoint or run folder)\n";

static bool is_folder(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool holds(const char *folder, const char *name) {
  char *path = comity_text("%s/%s", folder, name);
  struct stat about;
  bool found = path != NULL && stat(path, &about) == 0;
  comity_free(path);
  return found;
}

static comity_status print_hash(const char *path) {
  uint8_t digest[COMITY_HASH_BYTES];
  char hex[2 * COMITY_HASH_BYTES + 1];
  if (is_folder(path) && holds(path, "model.h5")) { /* a run: its model */
    char *inner = comity_text("%s/model.h5", path);
    comity_status status = inner == NULL ? COMITY_ERR_MEMORY : comity_model_hash(inner, digest);
    comity_free(inner);
    COMITY_TRY(status);
  } else
    COMITY_TRY(comity_model_hash(path, digest));
  comity_hash_hex(digest, hex);
  printf("%s\n", hex);
  return COMITY_OK;
}

static comity_status print_model(const char *path) {
  comity_loaded_model loaded = {0};
  COMITY_TRY(comity_model_read(path, &loaded));
  printf("%s: a model after round %llu\n", path, (unsigned long long)loaded.round);
  comity_model_print(loaded.model, stdout);
  if (loaded.mean != NULL)
    printf("inputs are standardised with the stored mean and standard deviation\n");
  printf("parameters BLAKE2b-256 ");
  comity_loaded_model_clear(&loaded);
  return print_hash(path);
}

static comity_status print_dataset(const char *path) {
  comity_dataset *dataset = NULL;
  COMITY_TRY(comity_dataset_open(path, NULL, &dataset));
  comity_status status = comity_dataset_print(dataset, stdout);
  comity_dataset_destroy(&dataset);
  return status;
}

/* A file with `parameters` is a model; anything else has to be a dataset. */
static comity_status inspect_file(const char *path) {
  hid_t file;
  COMITY_TRY(comity_h5_open(path, &file));
  bool model = H5Lexists(file, "parameters", H5P_DEFAULT) > 0,
       results = H5Lexists(file, "curves", H5P_DEFAULT) > 0;
  H5Fclose(file);
  if (results) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? comity_text(".") : comity_text("%.*s", (int)(slash - path), path);
    comity_status status = folder == NULL ? COMITY_ERR_MEMORY : comity_metrics_print(folder, stdout);
    comity_free(folder);
    return status;
  }
  return model ? print_model(path) : print_dataset(path);
}

static comity_status inspect(const char *path) {
  if (!is_folder(path))
    return inspect_file(path);
  if (holds(path, "server.h5"))
    return comity_checkpoint_print(path, stdout);
  COMITY_REQUIRE(holds(path, "metrics.jsonl"), COMITY_ERR_NOT_FOUND,
                 "%s: neither a run folder nor a checkpoint: it holds no metrics.jsonl and no server.h5",
                 path);
  return comity_metrics_print(path, stdout);
}

int comity_app_inspect(int argc, char **argv) {
  static const struct option options[] = {
      {"hash", no_argument, NULL, 'H'}, {"help", no_argument, NULL, 'h'}, {0}};
  bool hash = false;
  opterr = 0;
  for (int letter; (letter = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    if (letter == 'h')
      return printf("%s", usage) < 0;
    if (letter != 'H')
      return comity_app_misuse(NULL, "comity inspect: there is no option '%s'; --help lists them",
                               argv[optind - 1]);
    hash = true;
  }
  if (optind >= argc)
    return comity_app_misuse(usage, "name a file or folder");
  for (int i = optind; i < argc; i++) {
    comity_status status = hash ? print_hash(argv[i]) : inspect(argv[i]);
    if (status != COMITY_OK)
      return comity_app_fail(status);
  }
  return 0;
}
