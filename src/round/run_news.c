/* What members have to learn because others came: who has how many examples, who reads the central test set, and, when they
 * were taken after a newcomer was welcomed, the statistics of the features. */
#include "run_impl.h"

#include <string.h>

bool comity_run_may_grow(const comity_run_state *run) {
  return run->federation->apart || comity_config_flag(run->config, "round.respawn");
}

static size_t statistics_bytes(const comity_run_state *run) {
  return strcmp(run->federation->standardize, "none") == 0 ? 0
                                                           : 2 * run->federation->info.width * sizeof(float);
}

/* A byte that says whether there are some, and they. */
static void pack_statistics(const comity_run_state *run, uint8_t *at) {
  const comity_federation *federation = run->federation;
  size_t half = statistics_bytes(run) / 2;
  at[0] = federation->mean != NULL;
  if (at[0] == 0 || half == 0)
    return;
  memcpy(at + 1, federation->mean, half);
  memcpy(at + 1 + half, federation->inverse, half);
}

static comity_status take_statistics(comity_run_state *run, const uint8_t *at) {
  comity_federation *federation = run->federation;
  size_t half = statistics_bytes(run) / 2;
  if (at[0] == 0 || half == 0)
    return COMITY_OK;
  if (federation->mean == NULL)
    COMITY_TRY(COMITY_NEW(federation->mean, half / sizeof(float)));
  if (federation->inverse == NULL)
    COMITY_TRY(COMITY_NEW(federation->inverse, half / sizeof(float)));
  memcpy(federation->mean, at + 1, half);
  memcpy(federation->inverse, at + 1 + half, half);
  return COMITY_OK;
}

/* A round that began with other numbers begins anew; who was not there when it began for all trains nobody. */
static comity_status take_counts(comity_run_state *run, const uint8_t *bytes) {
  COMITY_TRY(comity_federation_update_counts(run->federation, bytes));
  COMITY_TRY(comity_evaluation_deal(run->evaluation));
  return run->begun > run->at.round ? comity_run_begin_round(run, run->begun, false) : COMITY_OK;
}

comity_status comity_run_share_news(comity_run_state *run) {
  size_t counts = comity_federation_update_size(run->federation), all = counts + 1 + statistics_bytes(run);
  uint8_t *known = NULL, *news = NULL;
  comity_status status = COMITY_NEW(known, all);
  if (status == COMITY_OK)
    status = COMITY_NEW(news, all);
  if (status == COMITY_OK) {
    comity_federation_update_pack(run->federation, known);
    pack_statistics(run, known + counts);
    memcpy(news, known, all);
  }
  COMITY_TRY_OR(done, comity_comm_agree(run->comm, status));
  COMITY_TRY_OR(done, comity_comm_broadcast(run->comm, news, all));
  if (memcmp(known, news, counts) != 0)
    comity_run_note(run, take_counts(run, news));
  if (memcmp(known + counts, news + counts, all - counts) != 0)
    comity_run_note(run, take_statistics(run, news + counts));
done:
  comity_free(known);
  comity_free(news);
  return status;
}
