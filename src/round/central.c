/* The central test set: which file holds it, which ranks can read that, and which share of it each of them evaluates. */
#include "federation_impl.h"

/* Which file holds the central test set, if any: data.test, or the test group of the one shared file. */
static comity_status find(const comity_federation *federation, const comity_config *config, char **path,
                          bool *found) {
  const char *name = comity_config_text(config, "data.test");
  *found = name[0] != '\0';
  if (*found)
    return comity_config_resolve_path(config, "data.test", name, path);
  if (!federation->shared)
    return COMITY_OK;
  size_t of_clients = 0;
  for (size_t client = 0; client < federation->clients; client++)
    of_clients += federation->examples[COMITY_SPLIT_TEST][client];
  *found = of_clients == 0 && federation->info.examples[COMITY_SPLIT_TEST] > 0;
  if (*found)
    *path = comity_text("%s", federation->silo[0].path);
  return *found && *path == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

static comity_status fits_model(const char *path, const comity_dataset_info *test,
                                const comity_dataset_info *train) {
  COMITY_REQUIRE(test->width == train->width, COMITY_ERR_DATA,
                 "%s: a test example has %zu features, but training has %zu", path, test->width,
                 train->width);
  COMITY_REQUIRE((test->classes > 0) == (train->classes > 0) && test->targets == train->targets,
                 COMITY_ERR_DATA, "%s: test labels are of another kind than those of training", path);
  COMITY_REQUIRE(test->classes <= train->classes, COMITY_ERR_DATA,
                 "%s: has %zu classes, but training has %zu", path, test->classes, train->classes);
  return COMITY_OK;
}

static comity_status open_file(comity_federation *federation, const comity_config *config, const char *path) {
  comity_central *central = &federation->central;
  const char *x = comity_config_text(config, "data.x"), *y = comity_config_text(config, "data.y");
  comity_dataset_options options = {
      .cache_bytes = 1, .x_name = x[0] == '\0' ? NULL : x, .y_name = y[0] == '\0' ? NULL : y};
  COMITY_TRY(comity_dataset_open(path, &options, &central->dataset));
  const comity_dataset_info *info = comity_dataset_describe(central->dataset);
  central->split = info->examples[COMITY_SPLIT_TEST] > 0 ? COMITY_SPLIT_TEST : COMITY_SPLIT_TRAIN;
  central->examples = info->examples[central->split];
  COMITY_REQUIRE(central->examples > 0, COMITY_ERR_DATA, "%s: the central test set is empty", path);
  return fits_model(path, info, &federation->info);
}

/* Ranks other than the server need not have the file (at another site they won't). */
comity_status comity_central_open(comity_federation *federation, const comity_config *config) {
  comity_central *central = &federation->central;
  char *path = NULL;
  COMITY_TRY(COMITY_NEW(central->reads, (size_t)comity_comm_size(federation->comm)));
  comity_status status = find(federation, config, &path, &central->found);
  if (status == COMITY_OK && central->found) {
    status = open_file(federation, config, path);
    if (status != COMITY_OK) {
      comity_dataset_destroy(&central->dataset);
      central->examples = 0;
    }
    if (status != COMITY_OK && !comity_comm_is_server(federation->comm)) {
      comity_error_clear();
      status = COMITY_OK;
    }
  }
  comity_free(path);
  return status;
}

comity_status comity_central_exchange(comity_federation *federation) {
  comity_comm *comm = federation->comm;
  comity_central *central = &federation->central;
  int rank = comity_comm_rank(comm), size = comity_comm_size(comm);
  if (!central->found)
    return COMITY_OK;
  uint64_t *examples;
  comity_status status = COMITY_NEW(examples, (size_t)size);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  examples[rank] = central->examples;
  COMITY_TRY_OR(done, comity_comm_sum(comm, examples, (size_t)size));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, examples, (size_t)size * sizeof *examples));
  central->examples = examples[0];
  for (int i = 0; i < size; i++) /* a file of that name with other contents is not the server's */
    central->reads[i] = examples[i] == examples[0];
done:
  comity_free(examples);
  return status;
}

void comity_central_close(comity_central *central) {
  comity_dataset_destroy(&central->dataset);
  comity_free(central->reads);
  *central = (comity_central){0};
}

void comity_central_share(const comity_central *central, const bool *present, int ranks, int rank,
                          size_t block, size_t *first, size_t *last) {
  size_t readers = 0, before = 0, blocks = (central->examples + block - 1) / block;
  *first = *last = 0;
  if (!central->reads[rank] || !present[rank])
    return;
  for (int i = 0; i < ranks; i++)
    if (central->reads[i] && present[i]) {
      before += i < rank;
      readers++;
    }
  *first = blocks * before / readers * block;
  *last = blocks * (before + 1) / readers * block;
  if (*last > central->examples)
    *last = central->examples;
}
