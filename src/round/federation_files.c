/* The files of training data: their names, who hosts them, and opening those that this rank hosts. */
#include "federation_impl.h"

#include <string.h>

static const char pattern_mark[] = "{rank}";

/* --------------------------------------------------------------------------------------------- file names */

static comity_status add_silo(comity_federation *federation, const comity_config *config, const char *path) {
  return comity_config_resolve_path(config, "data.path", path, &federation->silo[federation->silos++].path);
}

/* "silo-{rank}.h5" stands for silo-1.h5, silo-2.h5, ... */
static comity_status expand_pattern(comity_federation *federation, const comity_config *config,
                                    const char *pattern) {
  const char *mark = strstr(pattern, pattern_mark);
  int64_t count = comity_config_integer(config, "data.silos");
  if (count == 0)
    count = comity_comm_participants(federation->comm);
  COMITY_TRY(COMITY_NEW(federation->silo, (size_t)count));
  for (int64_t i = 1; i <= count; i++) {
    char *path = comity_text("%.*s%lld%s", (int)(mark - pattern), pattern, (long long)i,
                             mark + sizeof pattern_mark - 1);
    if (path == NULL)
      return COMITY_ERR_MEMORY;
    comity_status status = add_silo(federation, config, path);
    comity_free(path);
    COMITY_TRY(status);
  }
  return COMITY_OK;
}

/* Silos that come by themselves have files with names that only they know. */
static comity_status name_silos(comity_federation *federation, const comity_config *config) {
  comity_public_key *keys;
  size_t count, clients = (size_t)comity_config_integer(config, "silos.clients");
  federation->apart = true;
  COMITY_TRY(comity_config_public_keys(config, "silos.keys", &keys, &count));
  comity_status status = COMITY_NEW(federation->silo, count);
  for (size_t i = 0; i < count && status == COMITY_OK; i++, federation->silos++) {
    federation->silo[i] = (comity_silo){
        .path = comity_text("silo %zu (%s)", i + 1, keys[i].name[0] == '\0' ? "no name" : keys[i].name),
        .participant = (int)i,
        .first_client = i * clients,
        .clients = clients};
    status = federation->silo[i].path == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  }
  federation->clients = count * clients;
  comity_free(keys);
  return status;
}

comity_status comity_federation_name_files(comity_federation *federation, const comity_config *config) {
  size_t count = comity_config_length(config, "data.path");
  if (count == 0 && comity_config_length(config, "silos.keys") > 0)
    return name_silos(federation, config);
  COMITY_REQUIRE(count > 0, COMITY_ERR_CONFIG,
                 "data.path is not set: name the training data, e.g. data.path=train.h5");
  const char *first = comity_config_text_at(config, "data.path", 0);
  if (count == 1 && strstr(first, pattern_mark) != NULL)
    COMITY_TRY(expand_pattern(federation, config, first));
  else {
    COMITY_TRY(COMITY_NEW(federation->silo, count));
    for (size_t i = 0; i < count; i++)
      COMITY_TRY(add_silo(federation, config, comity_config_text_at(config, "data.path", i)));
    federation->shared = count == 1;
  }
  int participants = comity_comm_participants(federation->comm);
  for (size_t i = 0; i < federation->silos; i++)
    federation->silo[i].participant = federation->shared ? -1 : (int)(i % (size_t)participants);
  return COMITY_OK;
}

/* ---------------------------------------------------------------------------------------------- opening */

comity_status comity_silo_open(const comity_config *config, comity_silo *silo, uint64_t first) {
  const char *x = comity_config_text(config, "data.x"), *y = comity_config_text(config, "data.y");
  comity_dataset_options options = {
      .cache_bytes = (size_t)(comity_config_real(config, "data.cache") * 1048576.0),
      .holdout = comity_config_real(config, "data.holdout"),
      .seed = (uint64_t)comity_config_integer(config, "seed"),
      .first_client = first,
      .x_name = x[0] == '\0' ? NULL : x,
      .y_name = y[0] == '\0' ? NULL : y,
  };
  if (options.cache_bytes == 0)
    options.cache_bytes = 1;
  COMITY_TRY(comity_dataset_open(silo->path, &options, &silo->dataset));
  silo->clients = comity_dataset_describe(silo->dataset)->clients;
  return COMITY_OK;
}

bool comity_federation_hosts_silo(const comity_federation *federation, const comity_silo *silo) {
  return silo->participant < 0 || silo->participant == comity_comm_participant(federation->comm);
}

/* Every silo's first client id follows from the sizes of those before it; hosts need it before they deal
 * held-out examples, so files are opened once for their size and once more with the right number. Collective
 * for silos. */
comity_status comity_federation_open_files(comity_federation *federation, const comity_config *config) {
  comity_comm *comm = federation->comm;
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < federation->silos && status == COMITY_OK; i++)
    if (comity_federation_hosts_silo(federation, &federation->silo[i]))
      status = comity_silo_open(config, &federation->silo[i], 0);
  COMITY_TRY(comity_comm_agree(comm, status));
  if (federation->shared)
    return COMITY_OK;
  uint64_t *sizes;
  status = COMITY_NEW(sizes, federation->silos);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  for (size_t i = 0; i < federation->silos; i++)
    sizes[i] = federation->silo[i].dataset == NULL ? 0 : federation->silo[i].clients;
  COMITY_TRY_OR(done, comity_comm_sum(comm, sizes, federation->silos));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, sizes, federation->silos * sizeof *sizes));
  bool reopen = comity_config_real(config, "data.holdout") > 0;
  for (size_t i = 0, client = 0; i < federation->silos && status == COMITY_OK; i++) {
    comity_silo *silo = &federation->silo[i];
    if (!comity_federation_is_here(federation, silo->participant)) /* not yet */
      sizes[i] = (uint64_t)comity_config_integer(config, "silos.clients");
    silo->first_client = client;
    silo->clients = sizes[i];
    client += sizes[i];
    federation->clients = client;
    if (silo->dataset != NULL && reopen && silo->first_client > 0) {
      comity_dataset_destroy(&silo->dataset);
      status = comity_silo_open(config, silo, silo->first_client);
    }
  }
  status = comity_comm_agree(comm, status);
done:
  comity_free(sizes);
  return status;
}
