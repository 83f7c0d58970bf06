/* What all ranks have to know of files that only their hosts can read: sizes and shapes go to the server, which checks that
 * they fit together and tells everybody. */
#include "federation_impl.h"

#include "core/core_impl.h"

#include <string.h>

/* --------------------------------------------------------------------------------- what is told of a file */

/* What the server learns of a silo's file: sizes and shapes, never an example. Followed by the train and test
 * counts of its clients (uint64 each) and the feature names, each ended by a newline. */
typedef struct silo_notice {
  uint64_t silo, clients, central_test;
  uint64_t shape_rank, shape[COMITY_SHAPE_MAX];
  uint64_t type, classes, targets, names_bytes;
  double scale;
} silo_notice;

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

comity_status comity_federation_describe(comity_federation *federation) {
  return federation->shared ? comity_comm_agree(federation->comm, describe_shared(federation))
                            : describe_silos(federation);
}
