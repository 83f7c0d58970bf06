/* Joining a federation that others set up: its shape comes from the server's welcome, and what this process brings, its
 * file and whether it reads the central test set, is told to the server and by it to everybody. */
#include "federation_impl.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------- on the server */

comity_status comity_federation_welcome(const comity_federation *federation, const char *job, uint64_t round,
                                        comity_message *message) {
  const comity_dataset_info *info = &federation->info;
  size_t clients = federation->clients, width = info->width,
         size = (size_t)comity_comm_size(federation->comm);
  comity_welcome made = {.round = round,
                         .ranks = size,
                         .silos = federation->silos,
                         .shared = federation->shared,
                         .central = federation->central.found,
                         .central_examples = federation->central.examples,
                         .names_bytes = federation->names_bytes,
                         .all = {.clients = clients,
                                 .classes = info->classes,
                                 .targets = info->targets,
                                 .type = (uint64_t)info->type,
                                 .shape_rank = info->shape_rank,
                                 .scale = info->scale}};
  comity_status status = COMITY_NEW(made.silo_clients, made.silos);
  COMITY_TRY_OR(done, status);
  COMITY_TRY_OR(done, COMITY_NEW(made.counts, COMITY_SPLIT_COUNT * clients));
  COMITY_TRY_OR(done, COMITY_NEW(made.reads, size));
  COMITY_TRY_OR(done, COMITY_NEW(made.names, made.names_bytes));
  if (federation->mean != NULL)
    COMITY_TRY_OR(done, COMITY_NEW(made.statistics, 2 * width));
  if (federation->mean != NULL) {
    memcpy(made.statistics, federation->mean, width * sizeof *made.statistics);
    memcpy(made.statistics + width, federation->inverse, width * sizeof *made.statistics);
  }
  made.job = comity_text("%s", job);
  COMITY_TRY_OR(done, made.job == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  COMITY_TRY_OR(done, comity_federation_digest(federation, &made.digest));
  for (size_t i = 0; i < info->shape_rank; i++)
    made.all.shape[i] = info->shape[i];
  for (size_t i = 0; i < made.silos; i++)
    made.silo_clients[i] = federation->shared ? clients : federation->silo[i].clients;
  for (size_t split = 0; split < COMITY_SPLIT_COUNT; split++)
    memcpy(made.counts + split * clients, federation->examples[split], clients * sizeof *made.counts);
  for (size_t rank = 0; rank < size; rank++)
    made.reads[rank] = federation->central.reads[rank];
  if (made.names_bytes > 0)
    memcpy(made.names, federation->names, made.names_bytes);
  status = comity_welcome_pack(&made, message);
done:
  comity_welcome_clear(&made);
  return status;
}

/* Whether what a newcomer tells of a file is what is known of it. */
static comity_status check_notice(const comity_federation *federation, const comity_silo_notice *notice,
                                  const uint8_t *counts, const char *names) {
  const comity_dataset_info *info = &federation->info;
  const comity_silo *silo = &federation->silo[notice->silo];
  comity_catalogue all = {.classes = info->classes, .targets = info->targets, .shape_rank = info->shape_rank};
  for (size_t i = 0; i < info->shape_rank; i++)
    all.shape[i] = info->shape[i];
  COMITY_TRY(comity_silos_same_shape("the other silos", &all, silo->path, notice));
  COMITY_TRY(comity_silos_same_names("the other silos", federation->names, federation->names_bytes,
                                     silo->path, names, notice->names_bytes));
  COMITY_REQUIRE(notice->classes <= info->classes, COMITY_ERR_DATA,
                 "%s: has %llu classes, but the federation began with %zu", silo->path,
                 (unsigned long long)notice->classes, info->classes);
  COMITY_REQUIRE(notice->clients == silo->clients, COMITY_ERR_DATA,
                 "%s: holds %llu clients, but %zu are expected from this silo%s", silo->path,
                 (unsigned long long)notice->clients, silo->clients,
                 comity_silo_is_known(federation, notice->silo) ? "" : " (silos.clients)");
  bool known = comity_silo_is_known(federation, notice->silo);
  for (size_t i = 0; i < COMITY_SPLIT_COUNT * silo->clients; i++) {
    uint64_t count;
    memcpy(&count, counts + i * sizeof count, sizeof count);
    size_t client = silo->first_client + i % silo->clients;
    COMITY_REQUIRE(count <= UINT32_MAX, COMITY_ERR_DATA, "%s: a client has more than 2^32 examples",
                   silo->path);
    COMITY_REQUIRE(!known || count == federation->examples[i / silo->clients][client], COMITY_ERR_DATA,
                   "%s: client %zu has another number of examples than when this silo was here before",
                   silo->path, client);
  }
  return COMITY_OK;
}

comity_status comity_federation_acquaint(comity_federation *federation, int rank, comity_parts parts) {
  uint64_t reads;
  COMITY_TRY(comity_message_take(&parts, &reads, sizeof reads));
  while (parts.at < parts.end) {
    comity_silo_notice notice;
    const uint8_t *counts;
    const char *names;
    COMITY_TRY(comity_silo_notice_take(&parts, &notice, &counts, &names));
    COMITY_REQUIRE(!federation->shared && notice.silo < federation->silos &&
                       federation->silo[notice.silo].participant == rank - 1,
                   COMITY_ERR_DATA, "rank %d tells of file %llu, which is not its own", rank,
                   (unsigned long long)notice.silo);
    COMITY_TRY(check_notice(federation, &notice, counts, names));
    const comity_silo *silo = &federation->silo[notice.silo];
    size_t bytes = silo->clients * sizeof **federation->examples;
    for (size_t split = 0; split < COMITY_SPLIT_COUNT; split++)
      memcpy(federation->examples[split] + silo->first_client, counts + split * bytes, bytes);
  }
  federation->central.reads[rank] = federation->central.found && reads != 0;
  return comity_federation_check(federation);
}

/* --------------------------------------------------------------------------------- what everybody is told */

size_t comity_federation_update_size(const comity_federation *federation) {
  size_t counts = federation->shared ? 0 : COMITY_SPLIT_COUNT * federation->clients;
  return counts * sizeof **federation->examples + (size_t)comity_comm_size(federation->comm);
}

void comity_federation_update_pack(const comity_federation *federation, uint8_t *bytes) {
  size_t each = federation->shared ? 0 : federation->clients * sizeof **federation->examples;
  for (size_t split = 0; split < COMITY_SPLIT_COUNT; split++, bytes += each)
    memcpy(bytes, federation->examples[split], each);
  for (int rank = 0; rank < comity_comm_size(federation->comm); rank++)
    bytes[rank] = federation->central.reads[rank];
}

comity_status comity_federation_update_counts(comity_federation *federation, const uint8_t *bytes) {
  if (!federation->shared) {
    COMITY_TRY(comity_federation_use_counts(federation, bytes));
    bytes += COMITY_SPLIT_COUNT * federation->clients * sizeof **federation->examples;
  }
  for (int rank = 0; rank < comity_comm_size(federation->comm); rank++)
    federation->central.reads[rank] = bytes[rank] != 0;
  return comity_federation_check(federation);
}

/* ---------------------------------------------------------------------------------------- on the newcomer */

comity_status comity_federation_introduce(const comity_federation *federation, comity_message *message) {
  uint64_t reads = federation->central.reads[comity_comm_rank(federation->comm)];
  COMITY_TRY(comity_message_add(message, &reads, sizeof reads));
  for (size_t i = 0; !federation->shared && i < federation->silos; i++)
    if (federation->silo[i].dataset != NULL)
      COMITY_TRY(comity_silo_notice_add(&federation->silo[i], i, message));
  return COMITY_OK;
}

/* The files that this rank hosts, where `own` is the first of them when it is not NULL. */
static comity_status open_own(comity_federation *federation, const comity_config *config, const char *own) {
  for (size_t i = 0; i < federation->silos; i++) {
    comity_silo *silo = &federation->silo[i];
    size_t expected = silo->clients;
    if (!comity_federation_hosts_silo(federation, silo))
      continue;
    if (own != NULL) {
      char *path = comity_text("%s", own);
      COMITY_TRY(path == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
      comity_free(silo->path);
      silo->path = path;
      own = NULL;
    }
    COMITY_TRY(comity_silo_open(config, silo, silo->first_client));
    COMITY_REQUIRE(silo->clients == expected, COMITY_ERR_DATA,
                   "%s: holds %zu clients, but the federation expects %zu", silo->path, silo->clients,
                   expected);
  }
  return COMITY_OK;
}

/* Clients, shapes and counts as everybody knows them; what this rank's own files say is checked against that, by the rules
 * by which the server checks them, too. */
static comity_status describe(comity_federation *federation, const comity_welcome *welcome) {
  if (federation->shared) {
    uint64_t digest;
    COMITY_TRY(comity_federation_describe_shared(federation));
    COMITY_TRY(comity_federation_digest(federation, &digest));
    COMITY_REQUIRE(federation->clients == welcome->all.clients && digest == welcome->digest, COMITY_ERR_DATA,
                   "%s: holds other clients or numbers of examples than the file of that name at the server",
                   federation->silo[0].path);
    return COMITY_OK;
  }
  comity_federation_use_catalogue(federation, &welcome->all);
  COMITY_TRY(comity_federation_use_counts(federation, welcome->counts));
  COMITY_TRY(comity_federation_keep_names(federation, welcome->names, welcome->names_bytes));
  comity_message message = {0};
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < federation->silos && status == COMITY_OK; i++)
    if (federation->silo[i].dataset != NULL)
      status = comity_silo_notice_add(&federation->silo[i], i, &message);
  comity_parts parts = {.at = message.bytes, .end = message.bytes + message.length};
  while (status == COMITY_OK && parts.at < parts.end) {
    comity_silo_notice notice;
    const uint8_t *counts;
    const char *names;
    status = comity_silo_notice_take(&parts, &notice, &counts, &names);
    if (status == COMITY_OK)
      status = check_notice(federation, &notice, counts, names);
  }
  comity_message_clear(&message);
  return status;
}

/* The newcomer may read the central test set or not, whatever its predecessor could. */
static comity_status join_central(comity_federation *federation, const comity_config *config,
                                  const comity_welcome *welcome) {
  comity_central *central = &federation->central;
  COMITY_TRY(comity_central_open(federation, config));
  COMITY_REQUIRE(central->found == welcome->central, COMITY_ERR_DATA,
                 "the server %s a central test set, but not this process",
                 welcome->central ? "has" : "lacks");
  bool same = central->dataset != NULL && central->examples == welcome->central_examples;
  for (size_t rank = 0; welcome->central && rank < welcome->ranks; rank++)
    central->reads[rank] = welcome->reads[rank];
  central->reads[comity_comm_rank(federation->comm)] = same;
  central->examples = welcome->central_examples;
  return COMITY_OK;
}

static comity_status keep_statistics(comity_federation *federation, const comity_welcome *welcome) {
  size_t width = federation->info.width, bytes = width * sizeof *federation->mean;
  if (welcome->statistics == NULL)
    return COMITY_OK;
  COMITY_TRY(COMITY_NEW(federation->mean, width));
  COMITY_TRY(COMITY_NEW(federation->inverse, width));
  memcpy(federation->mean, welcome->statistics, bytes);
  memcpy(federation->inverse, welcome->statistics + width, bytes);
  return COMITY_OK;
}

static comity_status join(comity_federation *federation, const comity_config *config,
                          const comity_welcome *welcome, const char *own) {
  COMITY_REQUIRE((uint64_t)comity_comm_size(federation->comm) == welcome->ranks, COMITY_ERR_COMM,
                 "a welcome to %llu ranks, but there are %d", (unsigned long long)welcome->ranks,
                 comity_comm_size(federation->comm));
  COMITY_REQUIRE(federation->silos == welcome->silos && federation->shared == welcome->shared,
                 COMITY_ERR_DATA, "a welcome to %llu files, but data.path names %zu",
                 (unsigned long long)welcome->silos, federation->silos);
  for (size_t i = 0, client = 0; i < federation->silos; i++) {
    federation->silo[i].first_client = client;
    federation->silo[i].clients = welcome->silo_clients[i];
    client += welcome->silo_clients[i];
  }
  COMITY_TRY(open_own(federation, config, own));
  COMITY_TRY(describe(federation, welcome));
  COMITY_TRY(comity_federation_check(federation));
  COMITY_TRY(keep_statistics(federation, welcome));
  return join_central(federation, config, welcome);
}

comity_status comity_federation_join(comity_comm *comm, const comity_config *config,
                                     const comity_welcome *welcome, const char *own,
                                     comity_federation **federation) {
  comity_federation *made;
  COMITY_TRY(comity_federation_begin(comm, config, &made));
  comity_status status = join(made, config, welcome, own);
  if (status == COMITY_OK)
    *federation = made;
  else
    comity_federation_destroy(&made);
  return status;
}
