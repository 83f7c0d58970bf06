/* When the membership changes: who hosts whom now, who evaluates what, and where clients' states are.
 *
 * A state lives on the rank that hosts the client. One that was lost with its rank is taken from the newest checkpoint, by
 * whoever hosts the client from now on; without a checkpoint the client goes on like one that never took part. */
#include "federation_impl.h"
#include "run_impl.h"

#include <string.h>

typedef struct move {
  const comity_run_state *run;
  const comity_hosts *before; /* the participants until now */
  bool all;                   /* what this rank remembers does not count */
} move;

static bool hosts_now(const comity_run_state *run, uint64_t client) {
  return client < run->federation->clients &&
         comity_federation_host(run->federation, client) == comity_comm_participant(run->comm);
}

static bool is_new(void *context, uint64_t client) {
  const move *m = context;
  return hosts_now(m->run, client) &&
         (m->all || comity_federation_host_by(m->run->federation, m->before, client) !=
                        comity_comm_participant(m->run->comm));
}

static bool has_gone(void *context, uint64_t client) {
  const move *m = context;
  return !hosts_now(m->run, client);
}

static bool anybody(void *context, uint64_t client) {
  (void)context;
  (void)client;
  return true;
}

/* For the log: how many clients have another host than before, on all ranks together. */
static size_t count_moved(const move *m) {
  const comity_federation *federation = m->run->federation;
  size_t moved = 0;
  for (size_t client = 0; client < federation->clients; client++)
    moved += comity_federation_host(federation, client) !=
             comity_federation_host_by(federation, m->before, client);
  return moved;
}

static comity_status move_states(comity_run_state *run, move *m) {
  char *path = NULL;
  COMITY_TRY(comity_states_forget(run->states, has_gone, m));
  COMITY_TRY(comity_checkpoint_latest(run->folder, run->round, &path));
  size_t moved = count_moved(m);
  comity_status status = path == NULL || run->trainer == NULL
                             ? COMITY_OK
                             : comity_checkpoint_states(path, is_new, m, run->states);
  if (moved > 0)
    comity_log(run->logger, COMITY_LOG_INFO, "%zu client%s elsewhere from now on, %s%s", moved,
               moved == 1 ? " is" : "s are",
               path == NULL ? "as if for the first time, since there is no checkpoint yet"
                            : "with the state that is in ",
               path == NULL ? "" : path);
  comity_free(path);
  return status;
}

comity_status comity_run_settle(comity_run_state *run, const comity_hosts *before, comity_arrival arrival) {
  bool elsewhere =
      run->federation->shared && run->federation->reassign; /* others may train what was this rank's */
  move m = {.run = run,
            .before = before,
            .all = arrival == COMITY_ARRIVAL_NEW || (arrival == COMITY_ARRIVAL_BACK && elsewhere)};
  COMITY_TRY(comity_evaluation_deal(run->evaluation));
  if (arrival != COMITY_ARRIVAL_NONE)
    COMITY_TRY(comity_states_forget(run->pending, anybody, NULL));
  return run->method.protocol.client_state.length > 0 && (elsewhere || arrival == COMITY_ARRIVAL_NEW)
             ? move_states(run, &m)
             : COMITY_OK;
}

comity_status comity_run_rehost(comity_run_state *run, comity_arrival arrival) {
  comity_hosts *now = &run->federation->hosts, before;
  COMITY_TRY(comity_hosts_new(now->slots, &before));
  before.present = now->present;
  memcpy(before.here, now->here, (size_t)now->slots * sizeof *before.here);
  comity_federation_regroup(run->federation);
  comity_status status = comity_run_settle(run, &before, arrival);
  comity_hosts_clear(&before);
  return status;
}

bool comity_run_states_move(const comity_run_state *run) {
  return run->method.protocol.client_state.length > 0 && run->federation->shared && run->federation->reassign;
}

/* ---------------------------------------------------------------------------------------------- the absent */

static bool is_absent(void *context, uint64_t client) {
  const comity_federation *federation = context;
  return client < federation->clients &&
         !comity_federation_is_here(federation, comity_federation_host(federation, client));
}

comity_status comity_run_absent_states(const comity_run_state *run, comity_states **states) {
  const comity_federation *federation = run->federation;
  size_t length = run->method.protocol.client_state.length;
  *states = NULL;
  if (!comity_comm_is_server(run->comm) || length == 0 ||
      federation->hosts.present == federation->hosts.slots)
    return COMITY_OK;
  char *path = NULL, *spill = comity_text("%s/absent-rank0.part", run->folder);
  comity_states *made = NULL;
  comity_status status = spill == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  COMITY_TRY_OR(done, status);
  COMITY_TRY_OR(done, comity_checkpoint_latest(run->folder, run->round, &path));
  if (path == NULL)
    goto done;
  COMITY_TRY_OR(done, comity_states_new(length, spill, &made));
  COMITY_TRY_OR(done, comity_checkpoint_states(path, is_absent, run->federation, made));
  *states = made;
  made = NULL;
done:
  comity_states_destroy(&made);
  comity_free(spill);
  comity_free(path);
  return status;
}
