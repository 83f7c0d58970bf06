/* What a newcomer has to know in order to be a member like those who set the run up together: one message, which the
 * server puts together and anybody may have altered on its way, so everything in it is checked. */
#include "federation_impl.h"

#include <math.h>
#include <string.h>

enum { VERSION = 1 };
static const char mark[8] = "comityWE";

/* What comes first. Then follow, without gaps: the job (job_bytes) and the feature names (names_bytes); clients of each
 * file (silos, uint64); examples of each client (2, clients, uint64) unless the file is shared; who reads the central test
 * set (ranks, one byte each) if there is one; mean and inverse (2, width, float) if there are statistics. */
typedef struct head {
  char mark[8];
  uint64_t version, round, ranks, silos, shared, digest, central, central_examples, statistics, job_bytes,
      names_bytes;
  comity_catalogue all;
} head;

void comity_welcome_clear(comity_welcome *welcome) {
  void *owned[] = {welcome->job,    welcome->names, welcome->silo_clients,
                   welcome->counts, welcome->reads, welcome->statistics};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
    comity_free(owned[i]);
  *welcome = (comity_welcome){0};
}

static uint64_t width_of(const comity_catalogue *all) {
  uint64_t width = 1;
  for (size_t i = 0; i < all->shape_rank; i++)
    width *= all->shape[i];
  return width;
}

comity_status comity_welcome_pack(const comity_welcome *welcome, comity_message *message) {
  head first = {.version = VERSION,
                .round = welcome->round,
                .ranks = welcome->ranks,
                .silos = welcome->silos,
                .shared = welcome->shared,
                .digest = welcome->digest,
                .central = welcome->central,
                .central_examples = welcome->central_examples,
                .statistics = welcome->statistics != NULL,
                .job_bytes = strlen(welcome->job),
                .names_bytes = welcome->names_bytes,
                .all = welcome->all};
  memcpy(first.mark, mark, sizeof mark);
  COMITY_TRY(comity_message_add(message, &first, sizeof first));
  COMITY_TRY(comity_message_add(message, welcome->job, first.job_bytes));
  COMITY_TRY(comity_message_add(message, welcome->names, first.names_bytes));
  COMITY_TRY(comity_message_add(message, welcome->silo_clients, first.silos * sizeof *welcome->silo_clients));
  if (!welcome->shared)
    COMITY_TRY(comity_message_add(message, welcome->counts,
                                  COMITY_SPLIT_COUNT * first.all.clients * sizeof *welcome->counts));
  if (welcome->central)
    COMITY_TRY(comity_message_add(message, welcome->reads, first.ranks));
  return !first.statistics ? COMITY_OK
                           : comity_message_add(message, welcome->statistics,
                                                2 * width_of(&first.all) * sizeof *welcome->statistics);
}

/* ----------------------------------------------------------------------------------------------- reading */

bool comity_catalogue_is_sound(const comity_catalogue *all) {
  uint64_t width = 1;
  bool good = all->clients > 0 && all->clients <= UINT32_MAX && all->shape_rank <= COMITY_SHAPE_MAX &&
              all->type <= COMITY_F64 && all->targets > 0 && all->targets <= UINT32_MAX &&
              all->classes <= UINT32_MAX && isfinite(all->scale);
  for (size_t i = 0; good && i < all->shape_rank; i++) {
    good = all->shape[i] > 0 && all->shape[i] <= UINT32_MAX / width;
    width *= all->shape[i];
  }
  return good;
}

static comity_status check_head(const head *first) {
  COMITY_REQUIRE(memcmp(first->mark, mark, sizeof mark) == 0, COMITY_ERR_COMM, "this is no welcome");
  COMITY_REQUIRE(
      first->version == VERSION, COMITY_ERR_COMM,
      "a welcome of version %llu, but this process knows %d: do all run the same version of Comity?",
      (unsigned long long)first->version, VERSION);
  bool flags = first->shared <= 1 && first->central <= 1 && first->statistics <= 1;
  COMITY_REQUIRE(flags && first->ranks > 0 && first->ranks <= INT32_MAX && first->silos > 0 &&
                     first->silos <= UINT32_MAX && (first->silos == 1 || !first->shared),
                 COMITY_ERR_COMM, "a welcome describes a federation that cannot be");
  COMITY_REQUIRE(comity_catalogue_is_sound(&first->all), COMITY_ERR_COMM,
                 "a welcome describes examples that cannot be");
  return COMITY_OK;
}

/* Bytes into memory of their own, with a zero behind them. */
static comity_status take_copy(comity_parts *parts, size_t count, size_t size, void *copy) {
  size_t left = (size_t)(parts->end - parts->at);
  COMITY_REQUIRE(count <= left / size, COMITY_ERR_COMM, "a welcome is cut short");
  char *made;
  COMITY_TRY(COMITY_NEW(made, count * size + 1));
  memcpy(made, parts->at, count * size);
  parts->at += count * size;
  memcpy(copy, &made, sizeof made);
  return COMITY_OK;
}

static comity_status take_lists(comity_parts *parts, const head *first, comity_welcome *welcome) {
  COMITY_TRY(take_copy(parts, first->job_bytes, 1, &welcome->job));
  COMITY_TRY(take_copy(parts, first->names_bytes, 1, &welcome->names));
  COMITY_TRY(take_copy(parts, first->silos, sizeof *welcome->silo_clients, &welcome->silo_clients));
  if (!first->shared)
    COMITY_TRY(
        take_copy(parts, COMITY_SPLIT_COUNT * first->all.clients, sizeof *welcome->counts, &welcome->counts));
  if (first->central)
    COMITY_TRY(take_copy(parts, first->ranks, 1, &welcome->reads));
  if (first->statistics)
    COMITY_TRY(
        take_copy(parts, 2 * width_of(&first->all), sizeof *welcome->statistics, &welcome->statistics));
  COMITY_REQUIRE(parts->at == parts->end, COMITY_ERR_COMM, "a welcome is longer than it should be");
  return COMITY_OK;
}

static comity_status check_lists(const head *first, const comity_welcome *welcome) {
  uint64_t clients = 0;
  bool good = strlen(welcome->job) == first->job_bytes &&
              (first->names_bytes == 0 || welcome->names[first->names_bytes - 1] == '\n');
  for (size_t i = 0; good && i < first->silos; i++) {
    good = welcome->silo_clients[i] <= first->all.clients - clients;
    clients += welcome->silo_clients[i];
  }
  good = good && clients == first->all.clients;
  for (size_t i = 0; good && welcome->counts != NULL && i < COMITY_SPLIT_COUNT * clients; i++)
    good = welcome->counts[i] <= UINT32_MAX;
  for (size_t i = 0; good && welcome->reads != NULL && i < first->ranks; i++)
    good = welcome->reads[i] <= 1;
  good = good && (welcome->reads == NULL || welcome->reads[0] == 1);
  for (size_t i = 0; good && welcome->statistics != NULL && i < 2 * width_of(&first->all); i++)
    good = isfinite(welcome->statistics[i]);
  COMITY_REQUIRE(good, COMITY_ERR_COMM, "a welcome contradicts itself");
  return COMITY_OK;
}

comity_status comity_welcome_read(const void *bytes, size_t count, comity_welcome *welcome) {
  comity_parts parts = {.at = bytes, .end = (const uint8_t *)bytes + count};
  head first;
  COMITY_REQUIRE(count >= sizeof first, COMITY_ERR_COMM, "a welcome is cut short");
  COMITY_TRY(comity_message_take(&parts, &first, sizeof first));
  COMITY_TRY(check_head(&first));
  comity_welcome made = {.round = first.round,
                         .ranks = first.ranks,
                         .silos = first.silos,
                         .shared = first.shared,
                         .digest = first.digest,
                         .central = first.central,
                         .central_examples = first.central_examples,
                         .names_bytes = first.names_bytes,
                         .all = first.all};
  comity_status status = take_lists(&parts, &first, &made);
  if (status == COMITY_OK)
    status = check_lists(&first, &made);
  if (status == COMITY_OK)
    *welcome = made;
  else
    comity_welcome_clear(&made);
  return status;
}
