/* A newcomer builds from the server's message what the others agreed on together. Here every rank plays the newcomer, beside
 * the member that it is. */
#include "mpi_main.h"
#include "test.h"

#include "core/core_impl.h"
#include "round/run_impl.h"

#include <stdlib.h>
#include <string.h>

enum { PER_SILO = 2 };

static comity_comm *comm;
static comity_config *config;
static comity_run_options options;
static comity_run_state member, newcomer;
static char folder[64];
static comity_welcome welcome;

static void generate(const char *name, size_t clients, size_t features, size_t classes, uint64_t seed) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  comity_blobs_options blobs = {.clients = clients,
                                .examples = 20 + (size_t)seed,
                                .features = features,
                                .classes = classes,
                                .test_fraction = strcmp(name, "test.h5") == 0 ? 0 : 0.25,
                                .separation = 1,
                                .seed = seed};
  assert_int_equal(comity_generate_blobs(&blobs, path), COMITY_OK);
}

/* The server's welcome, on all ranks. */
static void fetch_welcome(void) {
  comity_message message = {0};
  uint64_t bytes;
  if (comity_comm_is_server(comm))
    assert_int_equal(comity_federation_welcome(member.federation, member.job, 12, &message), COMITY_OK);
  bytes = message.length;
  assert_int_equal(comity_comm_broadcast(comm, &bytes, sizeof bytes), COMITY_OK);
  uint8_t *copy = calloc(bytes, 1);
  assert_non_null(copy);
  if (comity_comm_is_server(comm))
    memcpy(copy, message.bytes, bytes);
  assert_int_equal(comity_comm_broadcast(comm, copy, bytes), COMITY_OK);
  if (comity_welcome_read(copy, bytes, &welcome) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  comity_message_clear(&message);
  free(copy);
}

static void open_member(bool shared) {
  char job[700], name[64];
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    snprintf(folder, sizeof folder, "/tmp/comity-join-XXXXXX");
    assert_non_null(mkdtemp(folder));
    generate("train.h5", 7, 4, 2, 1);
    generate("test.h5", 5, 4, 2, 2);
    generate("wide.h5", PER_SILO, 5, 2, 3);
    generate("three.h5", PER_SILO, 4, 3, 4);
    generate("many.h5", PER_SILO + 1, 4, 2, 5);
    generate("other.h5", PER_SILO, 4, 2, 6);
    for (int silo = 1; silo <= comity_comm_participants(comm); silo++) {
      snprintf(name, sizeof name, "silo-%d.h5", silo);
      generate(name, PER_SILO, 4, 2, 10 + (uint64_t)silo);
    }
  }
  assert_int_equal(comity_comm_broadcast(comm, folder, sizeof folder), COMITY_OK);
  snprintf(job, sizeof job,
           "data: {path: \"%s/%s\", test: %s/test.h5, standardize: federated}\nmodel: {preset: logistic}\n"
           "algorithm: {name: scaffold}\nevaluate: {batch: 7}\nrun: {dir: %s/run}\n",
           folder, shared ? "train.h5" : "silo-{rank}.h5", folder, folder);
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  assert_int_equal(comity_config_parse(config, "job.yaml", job, strlen(job)), COMITY_OK);
  member = newcomer = (comity_run_state){.comm = comm, .config = config, .options = &options};
  if (comity_run_prepare(&member) != COMITY_OK || comity_run_open(&member) != COMITY_OK)
    fail_msg("%s", comity_error_message());
}

static void close_all(void) {
  comity_welcome_clear(&welcome);
  comity_run_close(&newcomer);
  comity_run_close(&member);
  comity_config_destroy(&config);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm))
    assert_int_equal(comity_folder_remove(folder), COMITY_OK);
  comity_comm_destroy(&comm);
}

static void expect_same_counts(const comity_federation *a, const comity_federation *b) {
  assert_int_equal(a->clients, b->clients);
  assert_int_equal(a->most_examples, b->most_examples);
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    assert_memory_equal(a->examples[split], b->examples[split], a->clients * sizeof *a->examples[split]);
}

static void a_newcomer_knows_what_the_others_know(void **state) {
  (void)state;
  for (int shared = 0; shared < 2; shared++) {
    open_member(shared);
    fetch_welcome();
    if (comity_run_join(&newcomer, &welcome, NULL) != COMITY_OK)
      fail_msg("%s", comity_error_message());
    const comity_federation *theirs = member.federation, *ours = newcomer.federation;
    expect_same_counts(theirs, ours);
    assert_int_equal(newcomer.round, 12);
    assert_string_equal(newcomer.job, member.job);
    assert_int_equal(ours->info.width, theirs->info.width);
    assert_int_equal(ours->info.classes, theirs->info.classes);
    assert_memory_equal(ours->mean, theirs->mean, ours->info.width * sizeof *ours->mean);
    assert_memory_equal(ours->inverse, theirs->inverse, ours->info.width * sizeof *ours->inverse);
    assert_int_equal(ours->central.examples, theirs->central.examples);
    assert_memory_equal(ours->central.reads, theirs->central.reads, (size_t)comity_comm_size(comm));
    for (size_t client = 0; client < ours->clients; client++)
      assert_int_equal(comity_federation_host(ours, client), comity_federation_host(theirs, client));
    assert_int_equal(comity_model_parameters(newcomer.model), comity_model_parameters(member.model));
    assert_true((newcomer.trainer == NULL) == (member.trainer == NULL));
    close_all();
  }
}

/* Forget on every rank that the silo of the last rank ever came. */
static size_t forget_last_silo(void) {
  comity_federation *federation = member.federation;
  const comity_silo *silo = &federation->silo[federation->silos - 1];
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    memset(federation->examples[split] + silo->first_client, 0,
           silo->clients * sizeof **federation->examples);
  federation->central.reads[comity_comm_size(comm) - 1] = comity_comm_size(comm) == 1;
  return federation->silos - 1;
}

static void late(const char *own, comity_status *joined, comity_status *taken) {
  bool last = comity_comm_rank(comm) == comity_comm_size(comm) - 1;
  comity_message message = {0};
  comity_gathered gathered;
  comity_welcome_clear(&welcome);
  fetch_welcome();
  *joined = *taken = COMITY_OK;
  if (last) {
    *joined = comity_run_join(&newcomer, &welcome, own);
    if (*joined == COMITY_OK)
      assert_int_equal(comity_federation_introduce(newcomer.federation, &message), COMITY_OK);
  }
  assert_int_equal(comity_comm_gather(comm, message.bytes, message.length, &gathered), COMITY_OK);
  int rank = comity_comm_size(comm) - 1;
  if (comity_comm_is_server(comm) && gathered.offset[rank] < gathered.offset[rank + 1])
    *taken = comity_federation_acquaint(member.federation, rank, comity_message_of(&gathered, (size_t)rank));
  comity_gathered_clear(&gathered);
  comity_message_clear(&message);
}

static void a_late_silo_becomes_known_to_all(void **state) {
  (void)state;
  comity_status joined, taken;
  if (world_size() < 3) /* somebody has to be there already */
    return;
  open_member(false);
  comity_federation *federation = member.federation;
  size_t bytes = comity_federation_update_size(federation);
  uint8_t *before = calloc(bytes, 1), *update = calloc(bytes, 1);
  comity_federation_update_pack(federation, before);
  size_t silo = forget_last_silo();
  assert_false(comity_federation_is_known(federation));
  late(NULL, &joined, &taken);
  assert_int_equal(joined, COMITY_OK);
  assert_int_equal(taken, COMITY_OK);
  comity_federation_update_pack(federation, update);
  assert_int_equal(comity_comm_broadcast(comm, update, bytes), COMITY_OK);
  assert_int_equal(comity_federation_update_counts(federation, update), COMITY_OK);
  if (newcomer.federation != NULL) {
    assert_int_equal(comity_federation_update_counts(newcomer.federation, update), COMITY_OK);
    expect_same_counts(newcomer.federation, federation);
  }
  comity_federation_update_pack(federation, update);
  assert_memory_equal(update, before, bytes);
  assert_true(comity_federation_is_known(federation));
  assert_int_equal(federation->silo[silo].clients, PER_SILO);
  free(before);
  free(update);
  close_all();
}

static void a_late_silo_that_does_not_fit_is_told_why(void **state) {
  (void)state;
  static const struct {
    const char *file, *why;
    bool known;
  } cases[] = {{"wide.h5", "need the same columns", false},
               {"three.h5", "3 classes, but the federation began with 2", false},
               {"many.h5", "holds 3 clients, but the federation expects 2", false},
               {"other.h5", "when this silo was here before", true}};
  comity_status joined, taken;
  if (world_size() < 3)
    return;
  open_member(false);
  for (size_t i = sizeof cases / sizeof *cases; i-- > 0;) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, cases[i].file);
    if (!cases[i].known)
      forget_last_silo();
    late(path, &joined, &taken);
    if (comity_comm_rank(comm) == comity_comm_size(comm) - 1) {
      assert_int_equal(joined, COMITY_ERR_DATA);
      if (strstr(comity_error_message(), cases[i].why) == NULL)
        fail_msg("'%s' does not say '%s'", comity_error_message(), cases[i].why);
    }
    comity_run_close(&newcomer);
    newcomer = (comity_run_state){.comm = comm, .config = config, .options = &options};
  }
  close_all();
}

/* The server must not believe what a silo says of itself. */
static void the_server_checks_what_it_is_told(void **state) {
  (void)state;
  open_member(false);
  comity_message message = {0};
  if (comity_comm_is_server(comm) && world_size() > 2) {
    comity_parts nothing = {0};
    assert_int_not_equal(comity_federation_acquaint(member.federation, 1, nothing), COMITY_OK);
    uint64_t words[40] = {1, 0, UINT64_MAX}; /* reads; file 0, of so many clients */
    for (size_t length = 8; length <= sizeof words; length += 8) {
      comity_parts parts = {.at = (uint8_t *)words, .end = (uint8_t *)words + length};
      if (length > 8)
        assert_int_not_equal(comity_federation_acquaint(member.federation, 1, parts), COMITY_OK);
    }
    words[2] = 0; /* of another silo */
    words[1] = 1;
    comity_parts parts = {.at = (uint8_t *)words, .end = (uint8_t *)(words + 1) + sizeof(uint64_t) * 13};
    assert_int_not_equal(comity_federation_acquaint(member.federation, 1, parts), COMITY_OK);
  }
  comity_message_clear(&message);
  close_all();
}

/* ------------------------------------------------------------------------------------------------ states */

static void saved_states_reach_whoever_cannot_read_them(void **state) {
  (void)state;
  open_member(true);
  fetch_welcome();
  float value[16] = {0};
  size_t length = member.method.protocol.client_state.length;
  assert_true(length <= 16);
  int self = comity_comm_participant(comm), participants = comity_comm_participants(comm);
  for (uint64_t client = 0; client < member.federation->clients; client++)
    if (comity_federation_host(member.federation, client) == self) {
      value[0] = value[length - 1] = (float)client + 5;
      assert_int_equal(comity_states_write(member.states, client, value), COMITY_OK);
    }
  member.round = 12;
  assert_int_equal(comity_run_save(&member), COMITY_OK);
  assert_int_equal(comity_run_join(&newcomer, &welcome, NULL), COMITY_OK);
  for (int to = 0; to < participants; to++) { /* what the server would send, which anybody can read here */
    comity_message message = {0};
    assert_int_equal(comity_run_states_pack(&member, to, &message), COMITY_OK);
    comity_parts parts = {.at = message.bytes, .end = message.bytes + message.length};
    comity_parts torn = {.at = message.bytes, .end = message.bytes + message.length - 1};
    if (to == self) {
      assert_int_not_equal(comity_run_states_take(&newcomer, &torn), COMITY_OK);
      assert_int_equal(comity_run_states_take(&newcomer, &parts), COMITY_OK);
      assert_true(parts.at == parts.end);
    } else
      assert_int_equal(comity_run_states_take(&newcomer, &parts), COMITY_ERR_COMM);
    comity_message_clear(&message);
  }
  assert_int_equal(comity_states_list(newcomer.states, NULL), comity_states_list(member.states, NULL));
  for (uint64_t client = 0; client < member.federation->clients; client++) {
    float other[16] = {0};
    assert_int_equal(comity_states_read(member.states, client, value), COMITY_OK);
    assert_int_equal(comity_states_read(newcomer.states, client, other), COMITY_OK);
    assert_memory_equal(value, other, length * sizeof *value);
  }
  close_all();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_newcomer_knows_what_the_others_know),
    cmocka_unit_test(a_late_silo_becomes_known_to_all),
    cmocka_unit_test(a_late_silo_that_does_not_fit_is_told_why),
    cmocka_unit_test(the_server_checks_what_it_is_told),
    cmocka_unit_test(saved_states_reach_whoever_cannot_read_them),
};

MPI_MAIN(tests)
