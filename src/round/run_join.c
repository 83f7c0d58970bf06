/* Becoming a member of a run that others set up: the server's message to a newcomer, and what the newcomer makes of it,
 * alone, with the very steps by which the others set up. */
#include "federation_impl.h"
#include "run_impl.h"

#include <string.h>

/* ----------------------------------------------------------------------------------------- clients' states */

typedef struct home {
  const comity_federation *federation;
  int participant;
} home;

static bool is_home(void *context, uint64_t client) {
  const home *of = context;
  return client < of->federation->clients &&
         comity_federation_home(of->federation, client) == of->participant;
}

/* The number of states, and for each the client's id and its floats. */
static comity_status add_states(const comity_states *states, size_t length, comity_message *message) {
  uint64_t *client, count = comity_states_list(states, NULL);
  float *state = NULL;
  comity_status status = COMITY_NEW(client, count);
  COMITY_TRY_OR(done, status);
  COMITY_TRY_OR(done, COMITY_NEW(state, length));
  comity_states_list(states, client);
  COMITY_TRY_OR(done, comity_message_add(message, &count, sizeof count));
  for (uint64_t i = 0; i < count; i++) {
    COMITY_TRY_OR(done, comity_states_read(states, client[i], state));
    COMITY_TRY_OR(done, comity_message_add(message, &client[i], sizeof client[i]));
    COMITY_TRY_OR(done, comity_message_add(message, state, length * sizeof *state));
  }
done:
  comity_free(client);
  comity_free(state);
  return status;
}

comity_status comity_run_states_pack(const comity_run_state *run, int participant, comity_message *message) {
  size_t length = run->method.protocol.client_state.length;
  home of = {.federation = run->federation, .participant = participant};
  comity_states *states = NULL;
  char *path = NULL;
  comity_status status = comity_states_new(length, NULL, &states);
  COMITY_TRY_OR(done, status);
  if (length > 0)
    COMITY_TRY_OR(done, comity_checkpoint_latest(run->folder, run->round, &path));
  if (path != NULL)
    COMITY_TRY_OR(done, comity_checkpoint_states(path, is_home, &of, states));
  status = add_states(states, length, message);
done:
  comity_states_destroy(&states);
  comity_free(path);
  return status;
}

/* What add_states added. */
static comity_status take_states(comity_parts *parts, const home *of, size_t length, comity_states *into) {
  uint64_t count, client;
  float *state;
  COMITY_TRY(comity_message_take(parts, &count, sizeof count));
  COMITY_TRY(COMITY_NEW(state, length));
  comity_status status = COMITY_OK;
  for (uint64_t i = 0; i < count && status == COMITY_OK; i++) {
    status = comity_message_take(parts, &client, sizeof client);
    if (status == COMITY_OK)
      status = comity_message_take(parts, state, length * sizeof *state);
    if (status == COMITY_OK && !is_home((void *)of, client))
      status = comity_fail(COMITY_ERR_COMM, "the state of client %llu came, which belongs elsewhere",
                           (unsigned long long)client);
    if (status == COMITY_OK)
      status = comity_states_write(into, client, state);
  }
  comity_free(state);
  return status;
}

comity_status comity_run_states_take(comity_run_state *run, comity_parts *parts) {
  home of = {.federation = run->federation, .participant = comity_comm_participant(run->comm)};
  return take_states(parts, &of, run->method.protocol.client_state.length, run->states);
}

/* What members say of their clients' states becomes the server's. */
static comity_status collect(const comity_run_state *run, const comity_gathered *gathered,
                             comity_states *into) {
  for (size_t rank = 1; rank < gathered->count; rank++) {
    comity_parts parts = comity_message_of(gathered, rank);
    home of = {.federation = run->federation, .participant = (int)rank - 1};
    if (parts.at < parts.end)
      COMITY_TRY(take_states(&parts, &of, run->method.protocol.client_state.length, into));
  }
  return COMITY_OK;
}

comity_status comity_run_states_collect(comity_run_state *run, comity_states **all) {
  size_t length = run->method.protocol.client_state.length;
  comity_message message = {0};
  comity_gathered gathered = {0};
  comity_status status = COMITY_OK;
  bool server = comity_comm_is_server(run->comm);
  if (length == 0)
    return COMITY_OK;
  if (server && *all == NULL)
    status = comity_states_new(length, NULL, all);
  else if (!server)
    status = add_states(run->states, length, &message);
  status = comity_comm_report(run->comm, status, message.bytes, message.length, &gathered);
  if (status == COMITY_OK && server)
    status = collect(run, &gathered, *all);
  comity_gathered_clear(&gathered);
  comity_message_clear(&message);
  return status == COMITY_INTERRUPTED ? status : comity_comm_verdict(run->comm, status);
}

/* -------------------------------------------------------------------------------------------- the newcomer */

comity_status comity_run_join(comity_run_state *run, const comity_welcome *welcome, const char *own) {
  COMITY_TRY(comity_config_check(run->config));
  COMITY_TRY(comity_federation_join(run->comm, run->config, welcome, own, &run->federation));
  run->round = welcome->round;
  COMITY_TRY(comity_run_build(run));
  return comity_run_open_alone(run);
}
