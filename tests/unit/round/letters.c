/* Letters between the server and a newcomer: they arrive as they were sent, sealed or not, and what is none is told from one. */
#include "comm/comm_impl.h"
#include "identity/identity_impl.h"
#include "round/guest_impl.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1000 };

typedef struct two_ends {
  comity_link *server, *silo;
  comity_session *server_session, *silo_session;
} two_ends;

static int connect_ends(void **state) {
  static two_ends ends;
  int handles[2];
  comity_wire *wires[2];
  static const uint8_t up[32] = {1}, down[32] = {2}, transcript[32] = {3};
  const comity_public_key silo = {.name = "hospital"}, server = {.name = ""};
  *state = &ends;
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, handles) != 0 ||
         comity_wire_new(handles[0], &wires[0]) != COMITY_OK ||
         comity_wire_new(handles[1], &wires[1]) != COMITY_OK ||
         comity_link_of_wire(wires[0], &ends.server) != COMITY_OK ||
         comity_link_of_wire(wires[1], &ends.silo) != COMITY_OK ||
         comity_session_new(up, down, transcript, &silo, &ends.server_session) != COMITY_OK ||
         comity_session_new(down, up, transcript, &server, &ends.silo_session) != COMITY_OK;
}

static int disconnect_ends(void **state) {
  two_ends *ends = *state;
  comity_link_destroy(&ends->server);
  comity_link_destroy(&ends->silo);
  comity_session_destroy(&ends->server_session);
  comity_session_destroy(&ends->silo_session);
  return 0;
}

static void a_letter_arrives_as_it_was_sent(void **state) {
  two_ends *ends = *state;
  for (int sealed = 0; sealed < 2; sealed++)
    for (size_t count = 0; count < 3; count++) {
      comity_mail mail;
      assert_int_equal(comity_mail_receive(ends->silo, sealed ? ends->silo_session : NULL, MOST, &mail),
                       COMITY_OK);
      assert_null(mail.memory); /* none came */
      assert_int_equal(comity_mail_send(ends->server, sealed ? ends->server_session : NULL, COMITY_MAIL_MEET,
                                        0x01020304, "at", count),
                       COMITY_OK);
      assert_int_equal(comity_mail_receive(ends->silo, sealed ? ends->silo_session : NULL, MOST, &mail),
                       COMITY_OK);
      assert_int_equal(mail.kind, COMITY_MAIL_MEET);
      assert_int_equal(mail.value, 0x01020304);
      assert_int_equal(mail.count, count);
      assert_memory_equal(mail.bytes, "at", count);
      assert_int_equal(mail.bytes[count], 0);
      comity_mail_clear(&mail);
    }
}

static void fails(comity_link *link, comity_session *session, comity_status expected, const char *reason) {
  comity_mail mail;
  assert_int_equal(comity_mail_receive(link, session, MOST, &mail), expected);
  assert_null(mail.memory);
  if (strstr(comity_error_message(), reason) == NULL)
    fail_msg("'%s' is not in: %s", reason, comity_error_message());
}

static void what_is_shorter_than_a_letter_is_none(void **state) {
  two_ends *ends = *state;
  uint8_t bytes[8] = {COMITY_MAIL_WAIT}, sealed[8 + COMITY_SEAL_BYTES];
  for (size_t count = 0; count < sizeof bytes; count++) {
    assert_int_equal(comity_link_send(ends->server, bytes, count), COMITY_OK);
    fails(ends->silo, NULL, COMITY_ERR_COMM, "too short");
    assert_int_equal(comity_session_seal(ends->server_session, bytes, count, sealed), COMITY_OK);
    assert_int_equal(comity_link_send(ends->server, sealed, count + COMITY_SEAL_BYTES), COMITY_OK);
    fails(ends->silo, ends->silo_session, COMITY_ERR_COMM, "too short");
  }
}

static void a_sealed_letter_that_is_cut_or_changed_is_refused(void **state) {
  two_ends *ends = *state;
  uint8_t plain[20] = {COMITY_MAIL_JOB}, sealed[sizeof plain + COMITY_SEAL_BYTES];
  for (size_t count = 0; count < sizeof sealed; count++) {
    assert_int_equal(comity_session_seal(ends->server_session, plain, sizeof plain, sealed), COMITY_OK);
    assert_int_equal(comity_link_send(ends->server, sealed, count), COMITY_OK);
    fails(ends->silo, ends->silo_session, COMITY_ERR_REFUSED, "refused");
    assert_int_equal(comity_session_seal(ends->server_session, plain, sizeof plain, sealed), COMITY_OK);
    sealed[count] ^= 0x80;
    assert_int_equal(comity_link_send(ends->server, sealed, sizeof sealed), COMITY_OK);
    fails(ends->silo, ends->silo_session, COMITY_ERR_REFUSED, "refused");
  }
}

static void the_longest_letter_passes_and_no_longer_one(void **state) {
  two_ends *ends = *state;
  static uint8_t text[MOST + 1];
  comity_mail mail;
  assert_int_equal(comity_mail_send(ends->server, ends->server_session, COMITY_MAIL_JOB, 1, text, MOST),
                   COMITY_OK);
  assert_int_equal(comity_mail_receive(ends->silo, ends->silo_session, MOST, &mail), COMITY_OK);
  assert_int_equal(mail.count, MOST);
  comity_mail_clear(&mail);
  assert_int_equal(comity_mail_send(ends->server, ends->server_session, COMITY_MAIL_JOB, 1, text, MOST + 1),
                   COMITY_OK);
  fails(ends->silo, ends->silo_session, COMITY_ERR_COMM, "is announced");
}

static void a_letter_in_an_end_that_closed_is_an_error(void **state) {
  two_ends *ends = *state;
  comity_link_destroy(&ends->server);
  fails(ends->silo, NULL, COMITY_ERR_COMM, "lost");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_ends, disconnect_ends)

static const struct CMUnitTest tests[] = {
    TEST(a_letter_arrives_as_it_was_sent),
    TEST(what_is_shorter_than_a_letter_is_none),
    TEST(a_sealed_letter_that_is_cut_or_changed_is_refused),
    TEST(the_longest_letter_passes_and_no_longer_one),
    TEST(a_letter_in_an_end_that_closed_is_an_error),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
