/* Sealed messages arrive as they were sent, once and in order, and nobody else can write them. */
#include "test.h"

#include "identity/identity_impl.h"

#include <string.h>

typedef struct two_ends {
  comity_session *silo, *server;
} two_ends;

static int connect_ends(void **state) {
  static two_ends ends;
  uint8_t up[32], down[32], transcript[32];
  for (int i = 0; i < 32; i++) {
    up[i] = (uint8_t)i;
    down[i] = (uint8_t)(200 - i);
    transcript[i] = (uint8_t)(100 + i);
  }
  const comity_public_key silo = {.name = "hospital"}, server = {.name = ""};
  *state = &ends;
  return comity_session_new(down, up, transcript, &server, &ends.silo) != COMITY_OK ||
         comity_session_new(up, down, transcript, &silo, &ends.server) != COMITY_OK;
}

static int disconnect_ends(void **state) {
  two_ends *ends = *state;
  comity_session_destroy(&ends->silo);
  comity_session_destroy(&ends->server);
  return 0;
}

enum { TEXT = 5, SEALED = TEXT + COMITY_SEAL_BYTES };

static void seal(comity_session *session, const char *text, uint8_t sealed[SEALED]) {
  assert_int_equal(comity_session_seal(session, text, TEXT, sealed), COMITY_OK);
}

static void assert_opens(comity_session *session, const uint8_t sealed[SEALED], const char *text) {
  char opened[TEXT];
  assert_int_equal(comity_session_open(session, sealed, SEALED, opened), COMITY_OK);
  assert_memory_equal(opened, text, TEXT);
}

static void assert_refused(comity_session *session, const uint8_t *sealed, size_t count, const char *reason) {
  char opened[SEALED];
  assert_int_equal(comity_session_open(session, sealed, count, opened), COMITY_ERR_REFUSED);
  if (strstr(comity_error_message(), reason) == NULL)
    fail_msg("'%s' is not in: %s", reason, comity_error_message());
}

/* From Python: hashlib.blake2b(transcript, digest_size=32, key=up) as the key of cryptography's ChaCha20Poly1305. */
static void what_travels_is_what_others_compute(void **state) {
  two_ends *ends = *state;
  static const char expected[] = "0100000000000000401a83ccf3dfbf47951c4fcfac1060531d299519d2";
  uint8_t sealed[SEALED];
  char hex[2 * SEALED + 1];
  seal(ends->silo, "pause", sealed);
  sodium_bin2hex(hex, sizeof hex, sealed, sizeof sealed);
  assert_string_equal(hex, expected);
}

static void messages_arrive_in_both_directions(void **state) {
  two_ends *ends = *state;
  uint8_t sealed[SEALED], again[SEALED], empty[COMITY_SEAL_BYTES];
  char nothing;
  seal(ends->silo, "ready", sealed);
  seal(ends->silo, "ready", again);
  assert_memory_not_equal(sealed + 8, again + 8, SEALED - 8);
  assert_opens(ends->server, sealed, "ready");
  assert_opens(ends->server, again, "ready");
  seal(ends->server, "start", sealed);
  assert_opens(ends->silo, sealed, "start");
  assert_int_equal(comity_session_seal(ends->silo, NULL, 0, empty), COMITY_OK);
  assert_int_equal(comity_session_open(ends->server, empty, sizeof empty, &nothing), COMITY_OK);
}

static void every_changed_bit_is_refused_and_changes_nothing(void **state) {
  two_ends *ends = *state;
  uint8_t sealed[SEALED];
  char opened[TEXT];
  seal(ends->silo, "train", sealed);
  for (size_t bit = 0; bit < 8 * SEALED; bit++) {
    sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_equal(comity_session_open(ends->server, sealed, SEALED, opened), COMITY_ERR_REFUSED);
    sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t count = 0; count < SEALED; count++)
    assert_refused(ends->server, sealed, count,
                   count < COMITY_SEAL_BYTES ? "too short" : "its seal is wrong");
  assert_opens(ends->server, sealed, "train");
}

static void copies_and_late_messages_are_refused(void **state) {
  two_ends *ends = *state;
  uint8_t first[SEALED], second[SEALED], third[SEALED];
  seal(ends->silo, "first", first);
  seal(ends->silo, "secon", second);
  seal(ends->silo, "third", third);
  assert_opens(ends->server, second, "secon"); /* the first was lost */
  assert_refused(ends->server, second, SEALED, "somebody sent a copy");
  assert_refused(ends->server, first, SEALED, "somebody sent a copy");
  assert_opens(ends->server, third, "third");
}

static void a_message_that_is_sent_back_is_refused(void **state) {
  two_ends *ends = *state;
  uint8_t sealed[SEALED];
  seal(ends->silo, "leave", sealed);
  assert_refused(ends->silo, sealed, SEALED, "its seal is wrong");
}

static void refusals_name_the_other_side(void **state) {
  two_ends *ends = *state;
  uint8_t made_up[SEALED] = {1};
  char fingerprint[COMITY_FINGERPRINT_BYTES];
  comity_public_key_fingerprint(comity_session_peer(ends->server), fingerprint);
  assert_refused(ends->server, made_up, SEALED, fingerprint);
  assert_refused(ends->server, made_up, SEALED, "(hospital)");
}

/* The same keys under another transcript are other keys. */
static void a_session_belongs_to_its_handshake(void **state) {
  two_ends *ends = *state;
  comity_session *other;
  uint8_t up[32], down[32] = {0}, transcript[32] = {0}, sealed[SEALED];
  for (int i = 0; i < 32; i++)
    up[i] = (uint8_t)i;
  const comity_public_key silo = {.name = "hospital"};
  assert_int_equal(comity_session_new(up, down, transcript, &silo, &other), COMITY_OK);
  seal(ends->silo, "hello", sealed);
  assert_refused(other, sealed, SEALED, "its seal is wrong");
  comity_session_destroy(&other);
  assert_null(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_ends, disconnect_ends)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_travels_is_what_others_compute),
      TEST(messages_arrive_in_both_directions),
      TEST(every_changed_bit_is_refused_and_changes_nothing),
      TEST(copies_and_late_messages_are_refused),
      TEST(a_message_that_is_sent_back_is_refused),
      TEST(refusals_name_the_other_side),
      TEST(a_session_belongs_to_its_handshake),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
