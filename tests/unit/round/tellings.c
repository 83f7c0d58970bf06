/* What silos tell of their files: a federation begins with the first that makes sense, and nobody is believed who tells of what
 * cannot be, of others' files, or of other data than before. */
#include "silent_comm.h"
#include "test.h"

#include "round/federation_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SILOS = 2, CLIENTS = 2 };

/* RFC 8032, section 7.1, tests 1 and 2. */
static const char job[] =
    "silos: {clients: 2, keys: [comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= one,\n"
    "  comity-ed25519 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= two]}\n";

static silent_comm silent;
static comity_config *config;

static int open_job(void **state) {
  (void)state;
  return comity_config_new(&config) != COMITY_OK ||
         comity_config_parse(config, "job", job, sizeof job - 1) != COMITY_OK;
}

static int close_job(void **state) {
  (void)state;
  comity_config_destroy(&config);
  return 0;
}

static comity_silo_notice notice_of(uint64_t silo) {
  return (comity_silo_notice){.silo = silo,
                              .clients = CLIENTS,
                              .shape_rank = 1,
                              .shape = {3},
                              .type = COMITY_F32,
                              .classes = 2,
                              .targets = 1,
                              .names_bytes = 12,
                              .scale = 1};
}

static void tell(comity_message *message, const comity_silo_notice *notice) {
  const uint64_t reads = 0, counts[COMITY_SPLIT_COUNT * CLIENTS] = {10, 20, 3, 4};
  assert_int_equal(comity_message_add(message, &reads, sizeof reads), COMITY_OK);
  assert_int_equal(comity_message_add(message, notice, sizeof *notice), COMITY_OK);
  assert_int_equal(comity_message_add(message, counts, sizeof counts), COMITY_OK);
  assert_int_equal(comity_message_add(message, "age\nbmi\nsex\n", 12), COMITY_OK);
}

static comity_parts parts_of(const comity_message *message) {
  return (comity_parts){.at = message->bytes, .end = message->bytes + message->length};
}

/* A federation of what both tell. */
static comity_status begin(const comity_message *first, const comity_message *second,
                           comity_federation **federation) {
  const comity_parts told[] = {{0}, parts_of(first), parts_of(second)};
  return comity_federation_found(silent_comm_open(&silent, SILOS + 1, SILOS), config, told, federation);
}

static void a_federation_begins_with_what_silos_tell(void **state) {
  (void)state;
  comity_message told[SILOS] = {{0}};
  comity_federation *federation = NULL;
  comity_silo_notice first = notice_of(0), second = notice_of(1);
  second.classes = 3;
  tell(&told[0], &first);
  tell(&told[1], &second);
  assert_int_equal(begin(&told[0], &told[1], &federation), COMITY_OK);
  assert_int_equal(federation->info.width, 3);
  assert_int_equal(federation->info.classes, 3);
  for (int rank = 1; rank <= SILOS; rank++) {
    assert_int_equal(comity_federation_acquaint(federation, rank, parts_of(&told[rank - 1])), COMITY_OK);
    assert_int_equal(comity_federation_acquaint(federation, SILOS + 1 - rank, parts_of(&told[rank - 1])),
                     COMITY_ERR_DATA);
    assert_non_null(strstr(comity_error_message(), "which is not its own"));
  }
  const uint64_t train[] = {10, 20, 10, 20};
  assert_memory_equal(federation->examples[COMITY_SPLIT_TRAIN], train, sizeof train);
  comity_federation_destroy(&federation);
  for (int i = 0; i < SILOS; i++)
    comity_message_clear(&told[i]);
}

/* Whatever the first silo says wrong, the second is the first that makes sense. */
static void nobody_founds_a_federation_on_what_cannot_be(void **state) {
  (void)state;
  const comity_silo_notice good = notice_of(0);
  comity_silo_notice wrong[11];
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    wrong[i] = good;
  wrong[0].shape[0] = 0;
  wrong[1].shape_rank = 2, wrong[1].shape[0] = wrong[1].shape[1] = UINT32_MAX;
  wrong[2].shape_rank = COMITY_SHAPE_MAX + 1;
  wrong[3].type = COMITY_F64 + 1;
  wrong[4].targets = 0;
  wrong[5].classes = UINT64_C(1) << 32;
  wrong[6].scale = NAN;
  wrong[7].silo = 1;
  wrong[8].clients = 1;
  wrong[9].clients = UINT64_MAX;
  wrong[10].names_bytes = 1 << 20;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    comity_message told[SILOS] = {{0}}, none = {0};
    comity_federation *federation = NULL;
    comity_silo_notice second = notice_of(1);
    second.shape[0] = 7;
    tell(&told[0], &wrong[i]);
    tell(&told[1], &second);
    assert_int_equal(begin(&told[0], &none, &federation), COMITY_ERR_DATA);
    assert_null(federation);
    assert_int_equal(begin(&told[0], &told[1], &federation), COMITY_OK);
    assert_int_equal(federation->info.width, 7);
    assert_int_not_equal(comity_federation_acquaint(federation, 1, parts_of(&told[0])), COMITY_OK);
    comity_federation_destroy(&federation);
    for (int k = 0; k < SILOS; k++)
      comity_message_clear(&told[k]);
  }
}

static void what_is_cut_anywhere_makes_nobody_known(void **state) {
  (void)state;
  comity_message told = {0}, none = {0};
  comity_federation *federation = NULL;
  comity_silo_notice first = notice_of(0);
  tell(&told, &first);
  assert_int_equal(begin(&told, &none, &federation), COMITY_OK);
  for (size_t length = 0; length < told.length; length++) {
    uint8_t *exact = malloc(length + 1); /* so that a sanitizer sees a step too far */
    assert_non_null(exact);
    memcpy(exact, told.bytes, length);
    comity_status status =
        comity_federation_acquaint(federation, 1, (comity_parts){.at = exact, .end = exact + length});
    assert_int_not_equal(status, COMITY_OK);
    assert_int_equal(federation->examples[COMITY_SPLIT_TRAIN][0], 0);
    free(exact);
  }
  comity_federation_destroy(&federation);
  comity_message_clear(&told);
}

static void who_comes_back_with_other_data_is_refused(void **state) {
  (void)state;
  comity_message told = {0}, other = {0}, none = {0};
  comity_federation *federation = NULL;
  comity_silo_notice first = notice_of(0);
  tell(&told, &first);
  tell(&other, &first);
  other.bytes[sizeof(uint64_t) + sizeof first] ^= 1; /* an example more, or one less */
  assert_int_equal(begin(&told, &none, &federation), COMITY_OK);
  assert_int_equal(comity_federation_acquaint(federation, 1, parts_of(&told)), COMITY_OK);
  assert_int_equal(comity_federation_acquaint(federation, 1, parts_of(&other)), COMITY_ERR_DATA);
  assert_non_null(strstr(comity_error_message(), "another number of examples"));
  assert_int_equal(comity_federation_acquaint(federation, 1, parts_of(&told)), COMITY_OK);
  comity_federation_destroy(&federation);
  comity_message_clear(&told);
  comity_message_clear(&other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_federation_begins_with_what_silos_tell),
    cmocka_unit_test(nobody_founds_a_federation_on_what_cannot_be),
    cmocka_unit_test(what_is_cut_anywhere_makes_nobody_known),
    cmocka_unit_test(who_comes_back_with_other_data_is_refused),
};

int main(void) { return cmocka_run_group_tests(tests, open_job, close_job); }
