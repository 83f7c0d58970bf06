/* Who holds what: the files of training data, the clients in them, and what all silos have to agree on. */
#include "round_impl.h"

#include "core/core_impl.h"

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

static comity_status name_silos(comity_federation *federation, const comity_config *config) {
  size_t count = comity_config_length(config, "data.path");
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

/* --------------------------------------------------------------------------------- what is told of a file */

/* What the server learns of a silo's file: sizes and shapes, never an example. Followed by the train and test
 * counts of its clients (uint64 each) and the feature names, each ended by a newline. */
typedef struct silo_notice {
  uint64_t silo, clients, central_test;
  uint64_t shape_rank, shape[COMITY_SHAPE_MAX];
  uint64_t type, classes, targets, names_bytes;
  double scale;
} silo_notice;

static comity_status open_silo(const comity_config *config, comity_silo *silo, uint64_t first) {
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

static bool hosts_silo(const comity_federation *federation, const comity_silo *silo) {
  return silo->participant < 0 || silo->participant == comity_comm_participant(federation->comm);
}

static size_t names_length(const comity_dataset *dataset, size_t width) {
  size_t length = 0;
  for (size_t i = 0; i < width; i++) {
    const char *name = comity_dataset_feature_name(dataset, i);
    if (name == NULL)
      return 0;
    length += strlen(name) + 1;
  }
  return length;
}

/* Append one file's notice to a message. */
static comity_status notice_silo(const comity_silo *silo, size_t index, uint8_t **message, size_t *room,
                                 size_t *length) {
  const comity_dataset_info *info = comity_dataset_describe(silo->dataset);
  silo_notice notice = {.silo = index,
                        .clients = info->clients,
                        .shape_rank = info->shape_rank,
                        .type = (uint64_t)info->type,
                        .classes = info->classes,
                        .targets = info->targets,
                        .names_bytes = names_length(silo->dataset, info->width),
                        .scale = info->scale};
  for (size_t i = 0; i < info->shape_rank; i++)
    notice.shape[i] = info->shape[i];
  size_t counts = 2 * sizeof(uint64_t) * info->clients;
  COMITY_TRY(comity_array_grow(message, room, *length + sizeof notice + counts + notice.names_bytes, 1));
  uint8_t *at = *message + *length;
  memcpy(at, &notice, sizeof notice);
  at += sizeof notice;
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t client = 0; client < info->clients; client++, at += sizeof(uint64_t)) {
      uint64_t count = comity_dataset_count(silo->dataset, (comity_split)split, client);
      memcpy(at, &count, sizeof count);
    }
  for (size_t i = 0; notice.names_bytes > 0 && i < info->width; i++) {
    const char *name = comity_dataset_feature_name(silo->dataset, i);
    size_t bytes = strlen(name);
    memcpy(at, name, bytes);
    at[bytes] = '\n';
    at += bytes + 1;
  }
  *length = (size_t)(at - *message);
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------ do the silos fit together */

static comity_status same_names(const comity_silo *a, const char *names_a, size_t length_a,
                                const comity_silo *b, const char *names_b, size_t length_b) {
  if (length_a == 0 || length_b == 0 || (length_a == length_b && memcmp(names_a, names_b, length_a) == 0))
    return COMITY_OK;
  const char *end_a = names_a + length_a, *end_b = names_b + length_b;
  for (size_t column = 1; names_a < end_a && names_b < end_b; column++) {
    const char *stop_a = memchr(names_a, '\n', (size_t)(end_a - names_a)),
               *stop_b = memchr(names_b, '\n', (size_t)(end_b - names_b));
    if (stop_a - names_a != stop_b - names_b || memcmp(names_a, names_b, (size_t)(stop_a - names_a)) != 0)
      return comity_fail(COMITY_ERR_DATA,
                         "%s: feature %zu is called '%.*s', but '%.*s' in %s; all silos need the same "
                         "columns in the same order",
                         b->path, column, (int)(stop_b - names_b), names_b, (int)(stop_a - names_a), names_a,
                         a->path);
    names_a = stop_a + 1;
    names_b = stop_b + 1;
  }
  return comity_fail(COMITY_ERR_DATA, "%s: has other features than %s", b->path, a->path);
}

static comity_status same_shape(const comity_silo *a, const silo_notice *first, const comity_silo *b,
                                const silo_notice *other) {
  bool same = first->shape_rank == other->shape_rank;
  uint64_t width_a = 1, width_b = 1;
  for (size_t i = 0; i < COMITY_SHAPE_MAX; i++) {
    same = same && first->shape[i] == other->shape[i];
    width_a *= i < first->shape_rank ? first->shape[i] : 1;
    width_b *= i < other->shape_rank ? other->shape[i] : 1;
  }
  COMITY_REQUIRE(same, COMITY_ERR_DATA,
                 "%s: an example has %llu features, but %llu in %s; all silos need the same columns", b->path,
                 (unsigned long long)width_b, (unsigned long long)width_a, a->path);
  COMITY_REQUIRE((first->classes > 0) == (other->classes > 0) && first->targets == other->targets,
                 COMITY_ERR_DATA, "%s: its labels are %s, but %s in %s", b->path,
                 other->classes > 0 ? "classes" : "real numbers",
                 first->classes > 0 ? "classes" : "real numbers", a->path);
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------ the catalogue */

/* Sizes that everybody needs, as the server broadcasts them; followed by the counts of all clients per split.
 */
typedef struct catalogue {
  uint64_t clients, classes, targets, type, shape_rank, shape[COMITY_SHAPE_MAX];
  double scale;
} catalogue;

static void describe(comity_federation *federation, const catalogue *all) {
  comity_dataset_info *info = &federation->info;
  *info = (comity_dataset_info){.path = federation->silo[0].path,
                                .layout = "",
                                .clients = all->clients,
                                .type = (comity_dtype)all->type,
                                .shape_rank = all->shape_rank,
                                .width = 1,
                                .scale = all->scale,
                                .targets = all->targets,
                                .classes = all->classes};
  for (size_t i = 0; i < info->shape_rank; i++) {
    info->shape[i] = all->shape[i];
    info->width *= all->shape[i];
  }
  federation->clients = all->clients;
}

static comity_status allocate_counts(comity_federation *federation) {
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    COMITY_TRY(COMITY_NEW(federation->examples[split], federation->clients));
  return COMITY_OK;
}

/* The one shared file: every rank reads the sizes for itself. */
static comity_status describe_shared(comity_federation *federation) {
  const comity_silo *silo = &federation->silo[0];
  federation->info = *comity_dataset_describe(silo->dataset);
  federation->clients = federation->info.clients;
  COMITY_TRY(allocate_counts(federation));
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t client = 0; client < federation->clients; client++)
      federation->examples[split][client] = comity_dataset_count(silo->dataset, (comity_split)split, client);
  return COMITY_OK;
}

/* On the server: read the notices, in the order of the silos, and check them against the first. */
static comity_status merge_notices(comity_federation *federation, const comity_gathered *gathered,
                                   catalogue *all, uint64_t **counts) {
  const uint8_t **found;
  comity_status status = COMITY_OK;
  COMITY_TRY(COMITY_NEW(found, federation->silos));
  silo_notice notice, first = {0};
  size_t total = 0;
  for (size_t at = 0, end = gathered->offset[gathered->count]; at < end;) {
    memcpy(&notice, gathered->bytes + at, sizeof notice);
    found[notice.silo] = gathered->bytes + at;
    at += sizeof notice + 2 * sizeof(uint64_t) * notice.clients + notice.names_bytes;
    total += notice.clients;
  }
  uint64_t *merged = NULL;
  COMITY_TRY_OR(done, COMITY_NEW(merged, 2 * total));
  size_t client = 0, first_counts = 0;
  for (size_t i = 0; i < federation->silos; i++) {
    comity_silo *silo = &federation->silo[i];
    memcpy(&notice, found[i], sizeof notice);
    const uint8_t *counted = found[i] + sizeof notice;
    size_t half = sizeof(uint64_t) * notice.clients;
    if (i == 0) {
      first = notice;
      first_counts = 2 * half;
      *all = (catalogue){.targets = notice.targets,
                         .type = notice.type,
                         .shape_rank = notice.shape_rank,
                         .scale = notice.scale};
      memcpy(all->shape, notice.shape, sizeof all->shape);
    }
    COMITY_TRY_OR(done, same_shape(&federation->silo[0], &first, silo, &notice));
    COMITY_TRY_OR(done,
                  same_names(&federation->silo[0], (const char *)found[0] + sizeof first + first_counts,
                             first.names_bytes, silo, (const char *)counted + 2 * half, notice.names_bytes));
    memcpy(merged + client, counted, half);
    memcpy(merged + total + client, counted + half, half);
    client += notice.clients;
    all->classes = notice.classes > all->classes ? notice.classes : all->classes;
  }
  all->clients = total;
  *counts = merged;
  merged = NULL;
done:
  comity_free(merged);
  comity_free(found);
  return status;
}

/* Files that only their hosts can read: the sizes go to the server, which checks them and tells everybody.
 * Collective. */
static comity_status describe_silos(comity_federation *federation) {
  comity_comm *comm = federation->comm;
  uint8_t *message = NULL;
  size_t room = 0, length = 0;
  comity_gathered gathered = {0};
  catalogue all = {0};
  uint64_t *counts = NULL;
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < federation->silos && status == COMITY_OK; i++)
    if (federation->silo[i].dataset != NULL)
      status = notice_silo(&federation->silo[i], i, &message, &room, &length);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_gather(comm, message, length, &gathered));
  if (comity_comm_is_server(comm))
    status = merge_notices(federation, &gathered, &all, &counts);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, &all, sizeof all));
  describe(federation, &all);
  status = allocate_counts(federation);
  if (status == COMITY_OK && counts == NULL)
    status = COMITY_NEW(counts, 2 * federation->clients);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, counts, 2 * federation->clients * sizeof *counts));
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    memcpy(federation->examples[split], counts + (size_t)split * federation->clients,
           federation->clients * sizeof *counts);
done:
  comity_gathered_clear(&gathered);
  comity_free(message);
  comity_free(counts);
  return status;
}

/* Every silo's first client id follows from the sizes of those before it; hosts need it before they deal
 * held-out examples, so files are opened once for their size and once more with the right number. Collective
 * for silos. */
static comity_status open_silos(comity_federation *federation, const comity_config *config) {
  comity_comm *comm = federation->comm;
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < federation->silos && status == COMITY_OK; i++)
    if (hosts_silo(federation, &federation->silo[i]))
      status = open_silo(config, &federation->silo[i], 0);
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
    silo->first_client = client;
    silo->clients = sizes[i];
    client += sizes[i];
    if (silo->dataset != NULL && reopen && silo->first_client > 0) {
      comity_dataset_destroy(&silo->dataset);
      status = open_silo(config, silo, silo->first_client);
    }
  }
  status = comity_comm_agree(comm, status);
done:
  comity_free(sizes);
  return status;
}

static comity_status check_catalogue(comity_federation *federation) {
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
  return COMITY_OK;
}

comity_status comity_federation_new(comity_comm *comm, const comity_config *config,
                                    comity_federation **federation) {
  comity_federation *made;
  comity_status status = COMITY_NEW(made, 1);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  made->comm = comm;
  snprintf(made->standardize, sizeof made->standardize, "%s", comity_config_text(config, "data.standardize"));
  COMITY_TRY_OR(done, comity_comm_agree(comm, name_silos(made, config)));
  COMITY_TRY_OR(done, open_silos(made, config));
  if (made->shared)
    status = comity_comm_agree(comm, describe_shared(made));
  else
    status = describe_silos(made);
  COMITY_TRY_OR(done, status);
  COMITY_TRY_OR(done, comity_comm_agree(comm, check_catalogue(made)));
  if (strcmp(made->standardize, "silo") == 0)
    status = comity_comm_agree(comm, COMITY_NEW(made->own, made->clients));
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
  comity_free(old->own);
  comity_free(old->silo);
  comity_free(old->mean);
  comity_free(old->inverse);
  comity_free(old);
  *federation = NULL;
}

/* ----------------------------------------------------------------------------------------------- using it */

static const comity_silo *silo_of(const comity_federation *federation, size_t client) {
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

int comity_federation_host(const comity_federation *federation, size_t client) {
  if (federation->shared)
    return (int)(client % (size_t)comity_comm_participants(federation->comm));
  return silo_of(federation, client)->participant;
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
  return silo_of(federation, client)->path;
}

const char *comity_federation_client_name(const comity_federation *federation, size_t client) {
  const comity_silo *silo = silo_of(federation, client);
  return silo->dataset == NULL ? "" : comity_dataset_client_name(silo->dataset, client - silo->first_client);
}

/* A silo's own mean and 1/standard deviation, from its train examples alone. */
static comity_status own_statistics(comity_federation *federation, const comity_silo *silo, size_t client,
                                    float **statistics) {
  size_t width = federation->info.width;
  comity_examples train;
  uint64_t *words = NULL;
  float *made = NULL;
  comity_status status = COMITY_OK;
  COMITY_TRY_OR(done, COMITY_NEW(words, COMITY_MOMENTS_WORDS(width)));
  COMITY_TRY_OR(done, COMITY_NEW(made, 2 * width));
  COMITY_TRY_OR(done,
                comity_dataset_load(silo->dataset, COMITY_SPLIT_TRAIN, client - silo->first_client, &train));
  COMITY_TRY_OR(done, comity_moments_add(&train, NULL, words));
  comity_moments_finish(words, width, false, made);
  memset(words, 0, (COMITY_MOMENTS_WORDS(width)) * sizeof *words);
  COMITY_TRY_OR(done, comity_moments_add(&train, made, words));
  comity_moments_finish(words, width, true, made + width);
  *statistics = made;
  made = NULL;
done:
  comity_free(made);
  comity_free(words);
  return status;
}

comity_status comity_federation_load(comity_federation *federation, comity_split split, size_t client,
                                     comity_examples *examples) {
  const comity_silo *silo = silo_of(federation, client);
  COMITY_REQUIRE(silo->dataset != NULL, COMITY_ERR_INTERNAL, "client %zu is not hosted on this rank", client);
  if (federation->own != NULL && federation->own[client] == NULL)
    COMITY_TRY(own_statistics(federation, silo, client, &federation->own[client]));
  COMITY_TRY(comity_dataset_load(silo->dataset, split, client - silo->first_client, examples));
  if (federation->own != NULL) {
    examples->mean = federation->own[client];
    examples->inverse = federation->own[client] + federation->info.width;
  } else if (strcmp(federation->standardize, "federated") == 0) {
    examples->mean = federation->mean;
    examples->inverse = federation->inverse;
  }
  return COMITY_OK;
}

/* One pass over this rank's train examples. A client that cannot be read is left out here as it will be in
 * the rounds. */
static comity_status add_moments(comity_federation *federation, const float *mean, uint64_t *words) {
  int self = comity_comm_participant(federation->comm);
  for (size_t client = 0; client < federation->clients; client++) {
    if (comity_federation_host(federation, client) != self ||
        federation->examples[COMITY_SPLIT_TRAIN][client] == 0)
      continue;
    const comity_silo *silo = silo_of(federation, client);
    comity_examples train;
    if (comity_dataset_load(silo->dataset, COMITY_SPLIT_TRAIN, client - silo->first_client, &train) !=
            COMITY_OK ||
        comity_examples_check(&train) != COMITY_OK) {
      comity_error_clear();
      continue;
    }
    comity_status status = comity_moments_add(&train, mean, words);
    if (status != COMITY_OK)
      return comity_fail_context(status, "%s: client %zu", silo->path, client);
  }
  return COMITY_OK;
}

comity_status comity_federation_statistics(comity_federation *federation) {
  comity_comm *comm = federation->comm;
  size_t width = federation->info.width;
  uint64_t *words = NULL;
  comity_status status = COMITY_NEW(words, COMITY_MOMENTS_WORDS(width));
  if (status == COMITY_OK)
    status = COMITY_NEW(federation->mean, width);
  if (status == COMITY_OK)
    status = COMITY_NEW(federation->inverse, width);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  for (int pass = 0; pass < 2; pass++) {
    memset(words, 0, (COMITY_MOMENTS_WORDS(width)) * sizeof *words);
    COMITY_TRY_OR(
        done, comity_comm_agree(comm, add_moments(federation, pass == 0 ? NULL : federation->mean, words)));
    COMITY_TRY_OR(done, comity_comm_sum(comm, words, COMITY_MOMENTS_WORDS(width)));
    COMITY_TRY_OR(done, comity_comm_broadcast(comm, words, (COMITY_MOMENTS_WORDS(width)) * sizeof *words));
    comity_moments_finish(words, width, pass == 1, pass == 0 ? federation->mean : federation->inverse);
  }
done:
  comity_free(words);
  return status;
}
