/* The message to newcomers: comes back as it was, and nothing else passes for it. */
#include "test.h"

#include "round/round_impl.h"

#include <stdlib.h>
#include <string.h>

static uint64_t silo_clients[] = {2, 1}, counts[] = {10, 20, 30, 1, 2, 3};
static uint8_t reads[] = {1, 0, 1};
static float statistics[] = {0.5F, -1.0F, 2.0F, 3.0F};
static char job[] = "seed: 3\n", names[] = "age\nbmi\n";

static comity_welcome example(void) {
  return (comity_welcome){.job = job,
                          .round = 17,
                          .ranks = 3,
                          .silos = 2,
                          .all = {.clients = 3,
                                  .classes = 2,
                                  .targets = 1,
                                  .type = COMITY_F32,
                                  .shape_rank = 1,
                                  .shape = {2},
                                  .scale = 1},
                          .names = names,
                          .names_bytes = sizeof names - 1,
                          .silo_clients = silo_clients,
                          .counts = counts,
                          .digest = 99,
                          .central = true,
                          .central_examples = 50,
                          .reads = reads,
                          .statistics = statistics};
}

static comity_message pack(const comity_welcome *welcome) {
  comity_message message = {0};
  assert_int_equal(comity_welcome_pack(welcome, &message), COMITY_OK);
  return message;
}

static comity_status read_back(const void *bytes, size_t count) {
  comity_welcome read;
  comity_status status = comity_welcome_read(bytes, count, &read);
  if (status == COMITY_OK)
    comity_welcome_clear(&read);
  return status;
}

static void what_was_packed_comes_back(void **state) {
  (void)state;
  comity_welcome sent = example(), read;
  comity_message message = pack(&sent);
  assert_int_equal(comity_welcome_read(message.bytes, message.length, &read), COMITY_OK);
  assert_string_equal(read.job, job);
  assert_true(read.round == 17 && read.ranks == 3 && read.silos == 2 && !read.shared && read.digest == 99);
  assert_memory_equal(&read.all, &sent.all, sizeof sent.all);
  assert_int_equal(read.names_bytes, sent.names_bytes);
  assert_memory_equal(read.names, names, sent.names_bytes);
  assert_memory_equal(read.silo_clients, silo_clients, sizeof silo_clients);
  assert_memory_equal(read.counts, counts, sizeof counts);
  assert_true(read.central && read.central_examples == 50);
  assert_memory_equal(read.reads, reads, sizeof reads);
  assert_memory_equal(read.statistics, statistics, sizeof statistics);
  comity_welcome_clear(&read);
  comity_message_clear(&message);
}

static void what_there_is_not_does_not_travel(void **state) {
  (void)state;
  comity_welcome sent = example(), read;
  sent.shared = true;
  sent.silos = 1;
  silo_clients[0] = 3;
  sent.central = false;
  sent.statistics = NULL;
  comity_message message = pack(&sent);
  silo_clients[0] = 2;
  assert_int_equal(comity_welcome_read(message.bytes, message.length, &read), COMITY_OK);
  assert_true(read.counts == NULL && read.reads == NULL && read.statistics == NULL);
  assert_true(read.shared && read.silo_clients[0] == 3);
  comity_welcome_clear(&read);
  comity_message_clear(&message);
}

static void a_welcome_of_any_other_length_is_refused(void **state) {
  (void)state;
  comity_welcome sent = example();
  comity_message message = pack(&sent);
  for (size_t length = 0; length < message.length; length++) {
    uint8_t *copy = malloc(length + 1); /* its own, so that a sanitizer sees reading too far */
    assert_non_null(copy);
    memcpy(copy, message.bytes, length);
    assert_int_equal(read_back(copy, length), COMITY_ERR_COMM);
    free(copy);
  }
  assert_int_equal(comity_message_add(&message, "", 1), COMITY_OK);
  assert_int_equal(read_back(message.bytes, message.length), COMITY_ERR_COMM);
  comity_message_clear(&message);
}

static void whatever_is_altered_is_refused_or_harmless(void **state) {
  (void)state;
  comity_welcome sent = example();
  comity_message message = pack(&sent);
  size_t refused = 0;
  for (size_t bit = 0; bit < 8 * message.length; bit++) {
    message.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    comity_status status = read_back(message.bytes, message.length);
    assert_true(status == COMITY_OK || status == COMITY_ERR_COMM);
    refused += status != COMITY_OK;
    message.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
  }
  assert_true(refused > 1000); /* of all sizes, at least */
  assert_int_equal(read_back(message.bytes, message.length), COMITY_OK);
  comity_message_clear(&message);
}

static void expect_refused(const comity_welcome *welcome, const char *why) {
  comity_message message = pack(welcome);
  assert_int_equal(read_back(message.bytes, message.length), COMITY_ERR_COMM);
  if (strstr(comity_error_message(), why) == NULL)
    fail_msg("'%s' does not say '%s'", comity_error_message(), why);
  comity_message_clear(&message);
}

static void contradictions_are_refused(void **state) {
  (void)state;
  comity_welcome welcome = example();
  silo_clients[1] = 2;
  expect_refused(&welcome, "contradicts");
  silo_clients[1] = UINT64_MAX;
  expect_refused(&welcome, "contradicts");
  silo_clients[1] = 1;
  counts[2] = UINT64_C(1) << 33;
  expect_refused(&welcome, "contradicts");
  counts[2] = 30;
  reads[0] = 0; /* the server always reads it */
  expect_refused(&welcome, "contradicts");
  reads[0] = 1;
  welcome.all.type = 77;
  expect_refused(&welcome, "cannot be");
  welcome = example();
  welcome.all.shape_rank = 9;
  welcome.statistics = NULL;
  expect_refused(&welcome, "cannot be");
  welcome = example();
  welcome.shared = true; /* of two files */
  expect_refused(&welcome, "cannot be");
  welcome = example();
  welcome.ranks = 0;
  expect_refused(&welcome, "cannot be");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_packed_comes_back),
      cmocka_unit_test(what_there_is_not_does_not_travel),
      cmocka_unit_test(a_welcome_of_any_other_length_is_refused),
      cmocka_unit_test(whatever_is_altered_is_refused_or_harmless),
      cmocka_unit_test(contradictions_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
