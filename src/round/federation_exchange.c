/* What all ranks have to know of files that only their hosts can read: sizes and shapes go to the server, which checks that
 * they fit together and tells everybody. */
#include "federation_impl.h"

#include "core/core_impl.h"

#include <string.h>

/* --------------------------------------------------------------------------------- what is told of a file */

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

comity_status comity_silo_notice_add(const comity_silo *silo, size_t index, comity_message *message) {
  const comity_dataset_info *info = comity_dataset_describe(silo->dataset);
  comity_silo_notice notice = {.silo = index,
                               .clients = info->clients,
                               .shape_rank = info->shape_rank,
                               .type = (uint64_t)info->type,
                               .classes = info->classes,
                               .targets = info->targets,
                               .names_bytes = names_length(silo->dataset, info->width),
                               .scale = info->scale};
  for (size_t i = 0; i < info->shape_rank; i++)
    notice.shape[i] = info->shape[i];
  COMITY_TRY(comity_message_add(message, &notice, sizeof notice));
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t client = 0; client < info->clients; client++) {
      uint64_t count = comity_dataset_count(silo->dataset, (comity_split)split, client);
      COMITY_TRY(comity_message_add(message, &count, sizeof count));
    }
  for (size_t i = 0; notice.names_bytes > 0 && i < info->width; i++) {
    const char *name = comity_dataset_feature_name(silo->dataset, i);
    COMITY_TRY(comity_message_add(message, name, strlen(name)));
    COMITY_TRY(comity_message_add(message, "\n", 1));
  }
  return COMITY_OK;
}

comity_status comity_silo_notice_take(comity_parts *parts, comity_silo_notice *notice, const uint8_t **counts,
                                      const char **names) {
  COMITY_TRY(comity_message_take(parts, notice, sizeof *notice));
  size_t left = (size_t)(parts->end - parts->at), each = COMITY_SPLIT_COUNT * sizeof(uint64_t);
  COMITY_REQUIRE(notice->clients <= left / each && notice->names_bytes <= left - each * notice->clients,
                 COMITY_ERR_DATA, "what a silo tells of its file is cut short");
  COMITY_REQUIRE(notice->shape_rank <= COMITY_SHAPE_MAX, COMITY_ERR_DATA,
                 "a silo tells of examples of %llu dimensions", (unsigned long long)notice->shape_rank);
  *counts = parts->at;
  *names = (const char *)parts->at + each * notice->clients;
  parts->at += each * notice->clients + notice->names_bytes;
  COMITY_REQUIRE(notice->names_bytes == 0 || parts->at[-1] == '\n', COMITY_ERR_DATA,
                 "a silo's names of features are cut short");
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------ do the silos fit together */

comity_status comity_silos_same_names(const char *a, const char *names_a, size_t length_a, const char *b,
                                      const char *names_b, size_t length_b) {
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
                         b, column, (int)(stop_b - names_b), names_b, (int)(stop_a - names_a), names_a, a);
    names_a = stop_a + 1;
    names_b = stop_b + 1;
  }
  return comity_fail(COMITY_ERR_DATA, "%s: has other features than %s", b, a);
}

comity_status comity_silos_same_shape(const char *a, const comity_catalogue *first, const char *b,
                                      const comity_silo_notice *other) {
  bool same = first->shape_rank == other->shape_rank;
  uint64_t width_a = 1, width_b = 1;
  for (size_t i = 0; i < COMITY_SHAPE_MAX; i++) {
    same = same && first->shape[i] == other->shape[i];
    width_a *= i < first->shape_rank ? first->shape[i] : 1;
    width_b *= i < other->shape_rank ? other->shape[i] : 1;
  }
  COMITY_REQUIRE(same, COMITY_ERR_DATA,
                 "%s: an example has %llu features, but %llu in %s; all silos need the same columns", b,
                 (unsigned long long)width_b, (unsigned long long)width_a, a);
  COMITY_REQUIRE((first->classes > 0) == (other->classes > 0) && first->targets == other->targets,
                 COMITY_ERR_DATA, "%s: its labels are %s, but %s in %s", b,
                 other->classes > 0 ? "classes" : "real numbers",
                 first->classes > 0 ? "classes" : "real numbers", a);
  return COMITY_OK;
}

/* ------------------------------------------------------------------------------------------ the catalogue */

void comity_federation_use_catalogue(comity_federation *federation, const comity_catalogue *all) {
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
    if (federation->examples[split] == NULL)
      COMITY_TRY(COMITY_NEW(federation->examples[split], federation->clients));
  return COMITY_OK;
}

comity_status comity_federation_use_counts(comity_federation *federation, const void *counts) {
  size_t bytes = federation->clients * sizeof **federation->examples;
  COMITY_TRY(allocate_counts(federation));
  for (size_t split = 0; split < COMITY_SPLIT_COUNT; split++)
    memcpy(federation->examples[split], (const uint8_t *)counts + split * bytes, bytes);
  return COMITY_OK;
}

comity_status comity_federation_keep_names(comity_federation *federation, const char *names, size_t bytes) {
  comity_free(federation->names);
  federation->names_bytes = 0;
  COMITY_TRY(COMITY_NEW(federation->names, bytes));
  memcpy(federation->names, names, bytes);
  federation->names_bytes = bytes;
  return COMITY_OK;
}

/* The one shared file: every rank reads the sizes for itself. */
comity_status comity_federation_describe_shared(comity_federation *federation) {
  const comity_silo *silo = &federation->silo[0];
  federation->info = *comity_dataset_describe(silo->dataset);
  federation->clients = federation->info.clients;
  COMITY_TRY(allocate_counts(federation));
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t client = 0; client < federation->clients; client++)
      federation->examples[split][client] = comity_dataset_count(silo->dataset, (comity_split)split, client);
  return COMITY_OK;
}

/* What is told of a file, found in the messages of all ranks; counts is NULL for silos that have not come. */
typedef struct told {
  comity_silo_notice notice;
  const uint8_t *counts; /* (2, clients) uint64, unaligned */
  const char *names;
} told;

static comity_status find_notices(const comity_federation *federation, const comity_gathered *gathered,
                                  told *found) {
  for (size_t rank = 0; rank < gathered->count; rank++)
    for (comity_parts parts = comity_message_of(gathered, rank); parts.at < parts.end;) {
      told one;
      COMITY_TRY(comity_silo_notice_take(&parts, &one.notice, &one.counts, &one.names));
      COMITY_REQUIRE(one.notice.silo < federation->silos && found[one.notice.silo].counts == NULL,
                     COMITY_ERR_INTERNAL, "rank %zu tells of file %llu of %zu", rank,
                     (unsigned long long)one.notice.silo, federation->silos);
      found[one.notice.silo] = one;
    }
  return COMITY_OK;
}

/* Check all silos that have come against the first of them, and put the counts of all clients together. */
static comity_status merge_told(comity_federation *federation, const told *found, comity_catalogue *all,
                                uint64_t *counts) {
  const told *first = NULL;
  for (size_t i = 0; i < federation->silos; i++) {
    const comity_silo *silo = &federation->silo[i];
    const told *one = &found[i];
    if (one->counts == NULL)
      continue;
    if (first == NULL) {
      first = one;
      *all = (comity_catalogue){.clients = federation->clients,
                                .classes = one->notice.classes,
                                .targets = one->notice.targets,
                                .type = one->notice.type,
                                .shape_rank = one->notice.shape_rank,
                                .scale = one->notice.scale};
      memcpy(all->shape, one->notice.shape, sizeof all->shape);
      COMITY_TRY(comity_federation_keep_names(federation, one->names, one->notice.names_bytes));
    }
    const char *reference = federation->silo[first - found].path;
    COMITY_TRY(comity_silos_same_shape(reference, all, silo->path, &one->notice));
    COMITY_TRY(comity_silos_same_names(reference, federation->names, federation->names_bytes, silo->path,
                                       one->names, one->notice.names_bytes));
    COMITY_REQUIRE(one->notice.clients == silo->clients, COMITY_ERR_INTERNAL, "%s: its clients changed",
                   silo->path);
    for (size_t split = 0; split < COMITY_SPLIT_COUNT; split++)
      memcpy(counts + split * federation->clients + silo->first_client,
             one->counts + split * silo->clients * sizeof *counts, silo->clients * sizeof *counts);
    all->classes = one->notice.classes > all->classes ? one->notice.classes : all->classes;
  }
  COMITY_REQUIRE(first != NULL, COMITY_ERR_DATA, "no silo has come, so nobody knows what examples look like");
  return COMITY_OK;
}

static comity_status merge_notices(comity_federation *federation, const comity_gathered *gathered,
                                   comity_catalogue *all, uint64_t *counts) {
  told *found;
  COMITY_TRY(COMITY_NEW(found, federation->silos));
  comity_status status = find_notices(federation, gathered, found);
  if (status == COMITY_OK)
    status = merge_told(federation, found, all, counts);
  comity_free(found);
  return status;
}

/* Files that only their hosts can read: the sizes go to the server, which checks them and tells everybody.
 * Collective. */
static comity_status describe_silos(comity_federation *federation) {
  comity_comm *comm = federation->comm;
  comity_message message = {0};
  comity_gathered gathered = {0};
  comity_catalogue all = {0};
  uint64_t *counts = NULL;
  comity_status status = COMITY_NEW(counts, COMITY_SPLIT_COUNT * federation->clients);
  for (size_t i = 0; i < federation->silos && status == COMITY_OK; i++)
    if (federation->silo[i].dataset != NULL)
      status = comity_silo_notice_add(&federation->silo[i], i, &message);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_gather(comm, message.bytes, message.length, &gathered));
  if (comity_comm_is_server(comm))
    status = merge_notices(federation, &gathered, &all, counts);
  COMITY_TRY_OR(done, comity_comm_agree(comm, status));
  COMITY_TRY_OR(done, comity_comm_broadcast(comm, &all, sizeof all));
  COMITY_TRY_OR(
      done, comity_comm_broadcast(comm, counts, COMITY_SPLIT_COUNT * federation->clients * sizeof *counts));
  comity_federation_use_catalogue(federation, &all);
  status = comity_comm_agree(comm, comity_federation_use_counts(federation, counts));
done:
  comity_gathered_clear(&gathered);
  comity_message_clear(&message);
  comity_free(counts);
  return status;
}

comity_status comity_federation_describe(comity_federation *federation) {
  return federation->shared
             ? comity_comm_agree(federation->comm, comity_federation_describe_shared(federation))
             : describe_silos(federation);
}
