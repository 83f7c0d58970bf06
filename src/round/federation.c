/* Who holds what, as every rank knows it: all clients with their sizes, and the examples of those hosted here. */
#include "federation_impl.h"

#include <string.h>

comity_status comity_federation_check(comity_federation *federation) {
  COMITY_REQUIRE(federation->clients > 0, COMITY_ERR_DATA, "%s: holds no clients", federation->silo[0].path);
  COMITY_REQUIRE(federation->clients <= UINT32_MAX, COMITY_ERR_DATA,
                 "%zu clients are more than Comity counts", federation->clients);
  uint64_t most = 0;
  for (size_t client = 0; client < federation->clients; client++)
    if (federation->examples[COMITY_SPLIT_TRAIN][client] > most)
      most = federation->examples[COMITY_SPLIT_TRAIN][client];
  COMITY_REQUIRE(most > 0, COMITY_ERR_DATA, "%s: no client has a train example", federation->silo[0].path);
  COMITY_REQUIRE(most <= UINT32_MAX, COMITY_ERR_DATA, "%s: a client has more than 2^32 examples",
                 federation->silo[0].path);
  federation->most_examples = most;
  return strcmp(federation->standardize, "silo") != 0 || federation->own != NULL
             ? COMITY_OK
             : COMITY_NEW(federation->own, federation->clients);
}

comity_status comity_federation_begin(comity_comm *comm, const comity_config *config,
                                      comity_federation **federation) {
  comity_federation *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->comm = comm;
  snprintf(made->standardize, sizeof made->standardize, "%s", comity_config_text(config, "data.standardize"));
  made->reassign = strcmp(comity_config_text(config, "round.reassign"), "false") != 0;
  comity_status status = comity_hosts_new(comity_comm_participants(comm), &made->hosts);
  if (status == COMITY_OK)
    status = comity_federation_name_files(made, config);
  if (status == COMITY_OK) {
    comity_federation_regroup(made);
    *federation = made;
  } else
    comity_federation_destroy(&made);
  return status;
}

comity_status comity_federation_new(comity_comm *comm, const comity_config *config,
                                    comity_federation **federation) {
  comity_federation *made = NULL;
  comity_status status = comity_federation_begin(comm, config, &made);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_federation_open_files(made, config));
  COMITY_TRY_OR(done, comity_federation_describe(made));
  status = comity_federation_check(made);
  if (status == COMITY_OK)
    status = comity_central_open(made, config);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  status = comity_central_exchange(made);
done:
  if (status == COMITY_OK)
    *federation = made;
  else
    comity_federation_destroy(&made);
  return status;
}

void comity_federation_destroy(comity_federation **federation) {
  if (federation == NULL || *federation == NULL)
    return;
  comity_federation *old = *federation;
  for (size_t i = 0; i < old->silos; i++) {
    comity_dataset_destroy(&old->silo[i].dataset);
    comity_free(old->silo[i].path);
  }
  for (size_t client = 0; old->own != NULL && client < old->clients; client++)
    comity_free(old->own[client]);
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    comity_free(old->examples[split]);
  comity_hosts_clear(&old->hosts);
  comity_central_close(&old->central);
  comity_free(old->names);
  comity_free(old->own);
  comity_free(old->silo);
  comity_free(old->mean);
  comity_free(old->inverse);
  comity_free(old);
  *federation = NULL;
}

/* ----------------------------------------------------------------------------------------------- using it */

const comity_silo *comity_federation_silo(const comity_federation *federation, size_t client) {
  size_t low = 0, high = federation->silos;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (federation->silo[middle].first_client <= client)
      low = middle;
    else
      high = middle;
  }
  return &federation->silo[low];
}

bool comity_silo_is_known(const comity_federation *federation, size_t index) {
  const comity_silo *silo = &federation->silo[index];
  for (size_t split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t i = 0; i < silo->clients; i++)
      if (federation->examples[split][silo->first_client + i] > 0)
        return true;
  return false;
}

bool comity_federation_knows(const comity_federation *federation, size_t client) {
  return federation->shared ||
         comity_silo_is_known(federation,
                              (size_t)(comity_federation_silo(federation, client) - federation->silo));
}

bool comity_federation_is_known(const comity_federation *federation) {
  for (size_t i = 0; !federation->shared && i < federation->silos; i++)
    if (!comity_silo_is_known(federation, i))
      return false;
  return true;
}

comity_status comity_federation_digest(const comity_federation *federation, uint64_t *digest) {
  comity_hash *hash = NULL;
  uint8_t whole[COMITY_HASH_BYTES];
  COMITY_TRY(comity_hash_new(&hash));
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    comity_hash_add(hash, federation->examples[split],
                    federation->clients * sizeof *federation->examples[split]);
  comity_hash_finish(hash, whole);
  comity_hash_destroy(&hash);
  memcpy(digest, whole, sizeof *digest);
  return COMITY_OK;
}

const char *comity_federation_path(const comity_federation *federation, size_t client) {
  return comity_federation_silo(federation, client)->path;
}

const char *comity_federation_client_name(const comity_federation *federation, size_t client) {
  const comity_silo *silo = comity_federation_silo(federation, client);
  return silo->dataset == NULL ? "" : comity_dataset_client_name(silo->dataset, client - silo->first_client);
}

/* Whose examples, where to. */
typedef struct loading {
  comity_federation *federation;
  comity_split split;
  size_t client;
  comity_examples *examples;
} loading;

static comity_status load(void *self) {
  const loading *l = self;
  comity_federation *federation = l->federation;
  comity_examples *examples = l->examples;
  size_t client = l->client;
  const comity_silo *silo = comity_federation_silo(federation, client);
  if (federation->own != NULL && federation->own[client] == NULL)
    COMITY_TRY(comity_federation_own_statistics(federation, silo, client, &federation->own[client]));
  COMITY_TRY(comity_dataset_load(silo->dataset, l->split, client - silo->first_client, examples));
  if (federation->own != NULL) {
    examples->mean = federation->own[client];
    examples->inverse = federation->own[client] + federation->info.width;
  } else if (strcmp(federation->standardize, "federated") == 0) {
    examples->mean = federation->mean;
    examples->inverse = federation->inverse;
  }
  return COMITY_OK;
}

/* What is held out is read with the rest, and whoever standardizes by itself reads its train examples first. */
bool comity_federation_takes_long(const comity_federation *federation, size_t client) {
  enum { LONG = 1 << 20 };
  double examples = 0;
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    examples += (double)federation->examples[split][client];
  return examples * (double)federation->info.width > LONG;
}

comity_status comity_federation_load(comity_federation *federation, comity_split split, size_t client,
                                     comity_examples *examples) {
  loading l = {federation, split, client, examples};
  COMITY_REQUIRE(comity_federation_silo(federation, client)->dataset != NULL, COMITY_ERR_INTERNAL,
                 "client %zu is not hosted on this rank", client);
  return comity_federation_takes_long(federation, client) ? comity_comm_aside(federation->comm, load, &l)
                                                          : load(&l);
}
