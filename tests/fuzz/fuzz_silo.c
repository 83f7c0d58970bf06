/* Any bytes as what silos tell the server: what their files hold, before there is a federation and afterwards, and the states of
 * their clients. The first bytes say where one telling ends and the next begins. */
#include "fuzz_dataset.h"
#include "silent_comm.h"

#include "round/federation_impl.h"
#include "round/run_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { SILOS = 2, LENGTHS = 2 * SILOS, STATE = 3 };

/* RFC 8032, section 7.1, tests 1 and 2. */
static const char job[] =
    "silos: {clients: 2, keys: [comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= one,\n"
    "  comity-ed25519 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= two]}\n";

static comity_config *config(void) {
  static comity_config *made;
  if (made == NULL)
    fuzz_must(comity_config_new(&made) == COMITY_OK &&
                  comity_config_parse(made, "job", job, sizeof job - 1) == COMITY_OK,
              "no job");
  return made;
}

static void told(comity_status status) {
  fuzz_must(status == COMITY_OK || comity_error_message()[0] != '\0', "a failure without a message");
}

static void take_states(comity_comm *comm, comity_federation *federation, comity_parts parts) {
  comity_run_state run = {.comm = comm, .federation = federation};
  run.method.protocol.client_state.length = STATE;
  fuzz_must(comity_states_new(STATE, NULL, &run.states) == COMITY_OK, "no memory");
  comm->members.rank = 1; /* as that silo would when it comes back */
  told(comity_run_states_take(&run, &parts));
  fuzz_must(comity_states_list(run.states, NULL) <= 2, "states of others' clients");
  comity_states_destroy(&run.states);
}

/* What everybody relies on from now on. */
static void check(const comity_federation *federation) {
  const comity_dataset_info *info = &federation->info;
  size_t width = 1;
  for (size_t d = 0; d < info->shape_rank; d++) {
    fuzz_must(info->shape[d] > 0 && info->shape[d] <= UINT32_MAX / width, "a shape that cannot be");
    width *= info->shape[d];
  }
  fuzz_must(width == info->width && info->type <= COMITY_F64 && info->targets > 0, "examples that cannot be");
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t client = 0; client < federation->clients; client++)
      fuzz_must(federation->examples[split][client] <= UINT32_MAX, "a client with too many examples");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  silent_comm silent;
  comity_federation *federation = NULL;
  comity_parts parts[SILOS + 2] = {{0}};
  if (count < LENGTHS)
    return 0;
  uint8_t *copy = malloc(count - LENGTHS + 1), *at = copy, *end = copy + count - LENGTHS;
  fuzz_must(copy != NULL, "no memory");
  memcpy(copy, bytes + LENGTHS, count - LENGTHS);
  for (size_t i = 0; i < SILOS; i++, at = (uint8_t *)parts[i].end) {
    size_t length = bytes[2 * i] | (size_t)bytes[2 * i + 1] << 8, left = (size_t)(end - at);
    parts[i + 1] = (comity_parts){.at = at, .end = at + (length < left ? length : left)};
  }
  parts[SILOS + 1] = (comity_parts){.at = at, .end = end};
  comity_comm *comm = silent_comm_open(&silent, SILOS + 1, SILOS);
  comity_status status = comity_federation_found(comm, config(), parts, &federation);
  told(status);
  for (int rank = 1; rank <= SILOS && status == COMITY_OK; rank++) {
    told(comity_federation_acquaint(federation, rank, parts[rank]));
    told(comity_federation_acquaint(federation, 1,
                                    parts[rank])); /* comes back, with other data or another's */
    check(federation);
  }
  if (status == COMITY_OK)
    take_states(comm, federation, parts[SILOS + 1]);
  comity_federation_destroy(&federation);
  free(copy);
  return 0;
}
