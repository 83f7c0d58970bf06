/* What a run does when participants come and go, as far as each rank does it for itself: here ranks only play absent. */
#include "mpi_main.h"
#include "test.h"

#include "core/core_impl.h"
#include "round/run_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENTS = 11 };

static comity_comm *comm;
static comity_config *config;
static comity_run_options options;
static comity_run_state run;
static char folder[64];

/* A run of a stateful algorithm on two classes, with a central test set and tests of each client. */
static void open_run(bool reassign) {
  char job[600], train[96], test[96];
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, NULL, &comm), COMITY_OK);
  if (comity_comm_is_server(comm)) {
    snprintf(folder, sizeof folder, "/tmp/comity-rehost-XXXXXX");
    assert_non_null(mkdtemp(folder));
  }
  assert_int_equal(comity_comm_broadcast(comm, folder, sizeof folder), COMITY_OK);
  snprintf(train, sizeof train, "%s/train.h5", folder);
  snprintf(test, sizeof test, "%s/test.h5", folder);
  comity_blobs_options blobs = {.clients = CLIENTS,
                                .examples = 40,
                                .features = 5,
                                .classes = 2,
                                .test_fraction = 0.3,
                                .separation = 1,
                                .seed = 3};
  if (comity_comm_is_server(comm)) {
    assert_int_equal(comity_generate_blobs(&blobs, train), COMITY_OK);
    blobs.test_fraction = 0;
    blobs.clients = 9;
    blobs.seed = 4;
    assert_int_equal(comity_generate_blobs(&blobs, test), COMITY_OK);
  }
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  snprintf(job, sizeof job,
           "data: {path: %s, test: %s, standardize: federated}\nmodel: {preset: logistic}\n"
           "algorithm: {name: scaffold}\nevaluate: {batch: 7}\nround: {reassign: %s}\nrun: {dir: %s/run}\n",
           train, test, reassign ? "true" : "false", folder);
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  assert_int_equal(comity_config_parse(config, "job.yaml", job, strlen(job)), COMITY_OK);
  run = (comity_run_state){.comm = comm, .config = config, .options = &options};
  if (comity_run_prepare(&run) != COMITY_OK || comity_run_open(&run) != COMITY_OK)
    fail_msg("%s", comity_error_message());
}

static void close_run(void) {
  comity_run_close(&run);
  comity_config_destroy(&config);
  assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
  if (comity_comm_is_server(comm))
    assert_int_equal(comity_folder_remove(folder), COMITY_OK);
  comity_comm_destroy(&comm);
}

/* Those participants are members from now on whose bit is set. */
static void regroup(unsigned members, comity_arrival arrival) {
  comity_hosts *hosts = &run.federation->hosts, before;
  assert_int_equal(comity_hosts_new(hosts->slots, &before), COMITY_OK);
  memcpy(before.here, hosts->here, (size_t)hosts->slots * sizeof *hosts->here);
  before.present = hosts->present;
  hosts->present = 0;
  for (int slot = 0; slot < hosts->slots; slot++) {
    hosts->here[slot] = members >> slot & 1U;
    hosts->present += hosts->here[slot];
  }
  assert_int_equal(comity_run_settle(&run, &before, arrival), COMITY_OK);
  comity_hosts_clear(&before);
}

static bool is_member(void) {
  int self = comity_comm_participant(comm);
  return comity_comm_is_server(comm) || run.federation->hosts.here[self];
}

/* ------------------------------------------------------------------------------------------- evaluation */

/* What a rank says instead of the truth: one of the numbers at the beginning of its report is another. */
typedef struct lie {
  int rank;
  size_t word;
  uint64_t plus;
} lie;

static void tamper(const comity_gathered *gathered, const lie *told) {
  uint64_t word;
  uint8_t *at = gathered->bytes + gathered->offset[told->rank] + told->word * sizeof word;
  memcpy(&word, at, sizeof word);
  word += told->plus;
  memcpy(at, &word, sizeof word);
}

/* \return how the server took it; COMITY_OK elsewhere */
static comity_status evaluate_with(uint64_t round, const lie *told, comity_record *record) {
  static float model[64];
  comity_message message = {0};
  comity_gathered gathered;
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < comity_model_parameters(run.model); i++)
    model[i] = 0.3F - 0.1F * (float)i;
  if (is_member()) {
    assert_int_equal(comity_evaluation_run(run.evaluation, round, model, true, true), COMITY_OK);
    assert_int_equal(comity_evaluation_report(run.evaluation, &message), COMITY_OK);
  }
  assert_int_equal(comity_comm_gather(comm, message.bytes, message.length, &gathered), COMITY_OK);
  comity_parts parts[8];
  for (size_t rank = 0; rank < gathered.count; rank++)
    parts[rank] = comity_message_of(&gathered, rank);
  if (comity_comm_is_server(comm)) {
    if (told != NULL)
      tamper(&gathered, told);
    status = comity_evaluation_merge(run.evaluation, parts, gathered.count, record);
  }
  comity_gathered_clear(&gathered);
  comity_message_clear(&message);
  return status;
}

static void evaluate(uint64_t round, comity_record *record) {
  if (evaluate_with(round, NULL, record) != COMITY_OK)
    fail_msg("%s", comity_error_message());
}

static void expect_same(const comity_record *a, const comity_record *b) {
  assert_true(a->test_accuracy == b->test_accuracy && a->test_loss == b->test_loss);
  assert_true(a->test_auc == b->test_auc && a->test_auc > 0 && a->test_loss > 0);
  assert_true(a->client_loss == b->client_loss && a->client_accuracy.mean == b->client_accuracy.mean);
  assert_int_equal(a->score_count, b->score_count);
}

static void an_evaluation_has_the_same_bits_whoever_is_left(void **state) {
  (void)state;
  open_run(true);
  comity_record whole = {0}, part = {0};
  unsigned everybody = (1U << run.federation->hosts.slots) - 1;
  evaluate(0, &whole);
  for (unsigned members = 1; members <= everybody; members++) {
    regroup(members, COMITY_ARRIVAL_NONE);
    evaluate(members % 2, &part); /* of another model, or of the same: then what is done is kept */
    if (comity_comm_is_server(comm))
      expect_same(&whole, &part);
  }
  close_run();
}

/* Examples, where its share begins, how many scores follow, and how many clients: none of them is believed. */
static void who_did_not_evaluate_what_it_was_dealt_is_refused(void **state) {
  (void)state;
  static const size_t words[] = {0, 8, 9, 10};
  static const uint64_t plus[] = {1, 7, UINT64_MAX, UINT64_MAX / 2};
  open_run(true);
  comity_record record = {0};
  for (int rank = 0; rank < comity_comm_size(comm); rank++)
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
      for (size_t j = 0; j < sizeof plus / sizeof *plus; j++) {
        lie told = {rank, words[i], plus[j]};
        comity_status status = evaluate_with(0, &told, &record);
        assert_int_equal(status, comity_comm_is_server(comm) ? COMITY_ERR_INTERNAL : COMITY_OK);
      }
  evaluate(0, &record);
  close_run();
}

/* ------------------------------------------------------------------------------------------------ states */

static void write_states(float plus) {
  float value[64] = {0};
  for (uint64_t client = 0; client < CLIENTS && run.trainer != NULL; client++)
    if (is_member() && comity_federation_host(run.federation, client) == comity_comm_participant(comm)) {
      value[0] = (float)client + plus;
      assert_int_equal(comity_states_write(run.states, client, value), COMITY_OK);
    }
}

static float state_of(const comity_states *states, uint64_t client) {
  float value[64] = {0};
  assert_int_equal(comity_states_read(states, client, value), COMITY_OK);
  return value[0];
}

static bool everybody(void *context, uint64_t client) {
  (void)context;
  return client < CLIENTS;
}

static void whoever_stands_in_goes_on_with_the_saved_states(void **state) {
  (void)state;
  open_run(true);
  int self = comity_comm_participant(comm);
  unsigned all = (1U << run.federation->hosts.slots) - 1;
  write_states(100);
  run.round = 4;
  assert_int_equal(comity_run_save(&run), COMITY_OK);
  run.round = 5;
  write_states(200); /* newer than what was saved */
  regroup(all & ~1U, COMITY_ARRIVAL_NONE);
  for (uint64_t client = 0; client < CLIENTS && is_member() && self >= 0 && self > 0; client++)
    if (comity_federation_host(run.federation, client) == self) {
      bool own = client % (uint64_t)run.federation->hosts.slots == (uint64_t)self;
      assert_true(state_of(run.states, client) == (float)client + (own ? 200 : 100));
    }
  if (comity_comm_size(comm) >
      2) { /* somebody has them, and then whoever comes back, from a newer checkpoint */
    write_states(300);
    run.round = 6;
    assert_int_equal(comity_comm_agree(comm, COMITY_OK), COMITY_OK);
    if (self == 0)
      assert_int_equal(comity_states_forget(run.states, everybody, NULL),
                       COMITY_OK); /* it has no say in it */
    assert_int_equal(comity_run_save(&run), COMITY_OK);
    if (self == 0)
      write_states(1);
    regroup(all, self == 0 ? COMITY_ARRIVAL_BACK : COMITY_ARRIVAL_NONE);
    for (uint64_t client = 0; client < CLIENTS && self >= 0; client++)
      assert_true(state_of(run.states, client) ==
                  (comity_federation_host(run.federation, client) == self ? (float)client + 300 : 0));
  }
  close_run();
}

static void checkpoints_keep_the_states_of_the_absent(void **state) {
  (void)state;
  open_run(false);
  unsigned all = (1U << run.federation->hosts.slots) - 1, absent = all & ~1U;
  write_states(100);
  run.round = 2;
  assert_int_equal(comity_run_save(&run), COMITY_OK);
  bool alone = comity_comm_size(comm) == 1;
  if (!alone)
    regroup(absent, COMITY_ARRIVAL_NONE);
  for (run.round = 3; run.round < 7; run.round++) { /* more than are kept */
    write_states(100 * (float)run.round);
    if (!alone && comity_comm_participant(comm) == 0) /* it plays absent: it writes nothing */
      assert_int_equal(comity_states_forget(run.states, everybody, NULL), COMITY_OK);
    assert_int_equal(comity_run_save(&run), COMITY_OK);
  }
  run.round--;
  char *path;
  comity_states *found;
  assert_int_equal(comity_checkpoint_latest(run.folder, run.round, &path), COMITY_OK);
  assert_int_equal(comity_states_new(run.method.protocol.client_state.length, NULL, &found), COMITY_OK);
  assert_int_equal(comity_checkpoint_states(path, everybody, NULL, found), COMITY_OK);
  for (uint64_t client = 0; client < CLIENTS; client++) {
    bool lost = !alone && comity_federation_host(run.federation, client) == 0;
    assert_true(state_of(found, client) == (float)client + (lost ? 100 : 600));
  }
  comity_states_destroy(&found);
  comity_free(path);
  close_run();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_evaluation_has_the_same_bits_whoever_is_left),
    cmocka_unit_test(who_did_not_evaluate_what_it_was_dealt_is_refused),
    cmocka_unit_test(whoever_stands_in_goes_on_with_the_saved_states),
    cmocka_unit_test(checkpoints_keep_the_states_of_the_absent),
};

MPI_MAIN(tests)
