/* Somebody who came to the server, before he is known and afterwards: what he may do, what he may not, and for how long he is
 * waited for. */
#include "comm/comm_impl.h"
#include "identity/identity_impl.h"
#include "round/guest_impl.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct visit {
  comity_run_state run;
  comity_config *config;
  comity_guests guests;
  comity_guest guest;
  int visitor; /* the bare socket at the other end */
} visit;

static int arrive(void **state) {
  static visit v;
  int handles[2];
  comity_wire *wire;
  memset(&v, 0, sizeof v);
  *state = &v;
  if (comity_config_new(&v.config) != COMITY_OK ||
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, handles) != 0 ||
      comity_wire_new(handles[0], &wire) != COMITY_OK ||
      comity_link_of_wire(wire, &v.guest.link) != COMITY_OK)
    return 1;
  v.run.config = v.config;
  v.guests.run = &v.run;
  v.guests.job = "job";
  v.guest.deadline = 10;
  v.visitor = handles[1];
  return comity_identity_new("server", &v.guests.identity) != COMITY_OK;
}

static int depart(void **state) {
  visit *v = *state;
  comity_guest_clear(&v->guest);
  comity_identity_destroy(&v->guests.identity);
  comity_config_destroy(&v->config);
  if (v->visitor >= 0)
    close(v->visitor);
  return 0;
}

static void say(const visit *v, const void *bytes, uint32_t count) {
  uint8_t head[] = {(uint8_t)count, (uint8_t)(count >> 8), (uint8_t)(count >> 16), (uint8_t)(count >> 24)};
  assert_int_equal(write(v->visitor, head, sizeof head), sizeof head);
  assert_int_equal(write(v->visitor, bytes, count), count);
}

static void say_letter(const visit *v, uint32_t kind, const void *bytes, size_t count) {
  uint8_t letter[2000] = {0};
  memcpy(letter, &kind, sizeof kind);
  if (count > 0)
    memcpy(letter + 8, bytes, count);
  say(v, letter, (uint32_t)(8 + count));
}

static comity_status look(visit *v, double now) { return comity_guest_step_on(&v->guests, &v->guest, now); }

static void goes(visit *v, double now, comity_status expected, const char *reason) {
  assert_int_equal(look(v, now), expected);
  if (strstr(comity_error_message(), reason) == NULL)
    fail_msg("'%s' is not in: %s", reason, comity_error_message());
}

/* ---------------------------------------------------------------------------------------------- strangers */

static void who_says_nothing_goes_after_ten_seconds(void **state) {
  visit *v = *state;
  assert_int_equal(look(v, 9.9), COMITY_OK);
  goes(v, 10, COMITY_ERR_TIMEOUT, "in the handshake");
}

static void who_trickles_gains_no_time(void **state) {
  visit *v = *state;
  static const uint8_t hello[4 + COMITY_HELLO_BYTES] = {COMITY_HELLO_BYTES};
  for (int second = 0; second < 10; second++) {
    assert_int_equal(write(v->visitor, hello + second, 1), 1);
    assert_int_equal(look(v, second), COMITY_OK);
  }
  assert_int_equal(write(v->visitor, hello + 10, 1), 1);
  goes(v, 10, COMITY_ERR_TIMEOUT, "in the handshake");
}

static void who_closes_anywhere_in_his_hello_goes_at_once(void **state) {
  uint8_t hello[COMITY_HELLO_BYTES];
  for (uint32_t cut = 0; cut < sizeof hello; cut++) {
    visit *v;
    comity_handshake *handshake = NULL;
    depart(state);
    assert_int_equal(arrive(state), 0);
    v = *state;
    assert_int_equal(comity_handshake_hello(v->guests.identity, comity_identity_public(v->guests.identity),
                                            "job", hello, &handshake),
                     COMITY_OK);
    comity_handshake_destroy(&handshake);
    say(v, hello, cut); /* a whole message with a part of a hello in it */
    goes(v, 1, COMITY_ERR_REFUSED, "refused");
    depart(state);
    assert_int_equal(arrive(state), 0);
    v = *state;
    uint8_t head[] = {sizeof hello, 0, 0, 0};
    assert_int_equal(write(v->visitor, head, sizeof head), sizeof head);
    assert_int_equal(write(v->visitor, hello, cut), cut);
    assert_int_equal(look(v, 1), COMITY_OK);
    close(v->visitor);
    v->visitor = -1;
    comity_status status = look(v, 1);
    assert_int_equal(status == COMITY_OK ? look(v, 1) : status, COMITY_ERR_COMM);
  }
}

static void who_announces_more_than_a_handshake_goes_at_once(void **state) {
  visit *v = *state;
  static const uint8_t lengths[][4] = {{COMITY_HANDSHAKE_BYTES + 1}, {255, 255, 255, 255}, {0, 0, 0, 16}};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    depart(state);
    assert_int_equal(arrive(state), 0);
    v = *state;
    assert_int_equal(write(v->visitor, lengths[i], 4), 4);
    goes(v, 1, COMITY_ERR_COMM, "is announced, but at most 168");
  }
}

static void a_hello_is_answered_and_then_a_proof_is_due(void **state) {
  visit *v = *state;
  uint8_t hello[COMITY_HELLO_BYTES], sent[1000], proof[COMITY_PROOF_BYTES] = "comity\1\3";
  comity_handshake *handshake = NULL;
  comity_identity *silo = NULL;
  assert_int_equal(comity_identity_new("silo", &silo), COMITY_OK);
  assert_int_equal(
      comity_handshake_hello(silo, comity_identity_public(v->guests.identity), "job", hello, &handshake),
      COMITY_OK);
  say(v, hello, sizeof hello);
  assert_int_equal(look(v, 5), COMITY_OK);
  assert_int_equal(v->guest.step, COMITY_GUEST_PROOF);
  assert_int_equal(read(v->visitor, sent, sizeof sent), 4 + COMITY_ANSWER_BYTES);
  assert_int_equal(comity_handshake_proof(handshake, sent + 4, COMITY_ANSWER_BYTES, proof), COMITY_OK);
  assert_int_equal(look(v, 14.9), COMITY_OK);
  proof[COMITY_PROOF_BYTES - 1] ^= 1;
  say(v, proof, sizeof proof);
  goes(v, 14.9, COMITY_ERR_REFUSED, "did not prove");
  assert_int_equal(v->guest.rank, 0);
  assert_int_equal(read(v->visitor, sent, sizeof sent), 4 + COMITY_VERDICT_BYTES); /* and is told so */
  comity_handshake_destroy(&handshake);
  comity_identity_destroy(&silo);
}

/* -------------------------------------------------------------------------------------- those that are known */

static void a_letter_about_data_names_its_host_in_plain_letters(void **state) {
  visit *v = *state;
  uint8_t data[64 + 5] = "ward\n7\x1b[2J\xff", told[] = "hello";
  memcpy(data + 64, told, 5);
  v->guest.step = COMITY_GUEST_DATA;
  say_letter(v, COMITY_MAIL_DATA, data, sizeof data);
  assert_int_equal(look(v, 1), COMITY_OK);
  assert_int_equal(v->guest.step, COMITY_GUEST_WAITING);
  assert_string_equal(v->guest.host, "ward?7?[2J?");
  assert_int_equal(v->guest.told.length, 5);
  assert_memory_equal(v->guest.told.bytes, "hello", 5);
}

static void a_letter_about_data_that_is_cut_is_refused(void **state) {
  static const uint8_t data[63] = "ward";
  for (size_t count = 0; count <= sizeof data; count++) {
    visit *v;
    depart(state);
    assert_int_equal(arrive(state), 0);
    v = *state;
    v->guest.step = COMITY_GUEST_DATA;
    say_letter(v, COMITY_MAIL_DATA, data, count);
    goes(v, 1, COMITY_ERR_COMM, "too short");
  }
}

static void letters_out_of_turn_are_refused(void **state) {
  static const struct {
    comity_guest_step step;
    uint32_t kind;
  } wrong[] = {{COMITY_GUEST_DATA, COMITY_MAIL_READY},       {COMITY_GUEST_WAITING, COMITY_MAIL_DATA},
               {COMITY_GUEST_WAITING, COMITY_MAIL_READY},    {COMITY_GUEST_JOINING, COMITY_MAIL_DATA},
               {COMITY_GUEST_JOINING, COMITY_MAIL_WELCOME},  {COMITY_GUEST_DATA, 0},
               {COMITY_GUEST_WAITING, COMITY_MAIL_END + 1U}, {COMITY_GUEST_JOINING, UINT32_MAX}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    visit *v;
    depart(state);
    assert_int_equal(arrive(state), 0);
    v = *state;
    v->guest.step = wrong[i].step;
    say_letter(v, wrong[i].kind, NULL, 0);
    goes(v, 1, COMITY_ERR_COMM, "out of turn");
  }
}

/* Over the wire anybody in between can write a length: it is not the one of a letter over MPI. */
static void who_waits_for_his_turn_may_say_little(void **state) {
  visit *v = *state;
  static const uint8_t length[] = {0, 0, 1, 0};
  v->guest.step = COMITY_GUEST_QUEUE;
  assert_int_equal(write(v->visitor, length, sizeof length), sizeof length);
  goes(v, 1, COMITY_ERR_COMM, "a message of 65536 bytes is announced");
}

static void who_gives_up_is_quoted_at_no_more_than_200_bytes(void **state) {
  visit *v = *state;
  char text[1000];
  memset(text, 'x', sizeof text);
  v->guest.step = COMITY_GUEST_JOINING;
  say_letter(v, COMITY_MAIL_SORRY, text, sizeof text);
  goes(v, 1, COMITY_ERR_EXCLUDED, "it could not join: xxx");
  assert_true(strlen(comity_error_message()) < 250);
}

/* He has closed the connection, so that telling him fails. */
static void telling_the_end_keeps_the_reason_for_it(void **state) {
  visit *v = *state;
  v->guest.rank = 1;
  v->guests.guest = &v->guest;
  v->guests.count = 1;
  close(v->visitor);
  v->visitor = -1;
  comity_guests_say_end(&v->guests, comity_fail(COMITY_ERR_QUORUM, "too few are left"));
  assert_string_equal(comity_error_message(), "too few are left");
  comity_guests_say_end(&v->guests, COMITY_OK);
  assert_string_equal(comity_error_message(), "");
}

/* Also while the server is at its files, when letters are not read. */
static void who_waits_gets_signs_of_life_when_they_are_due(void **state) {
  static const struct {
    comity_guest_step step;
    bool waits;
  } at[] = {{COMITY_GUEST_PROOF, false}, {COMITY_GUEST_QUEUE, true},   {COMITY_GUEST_MEETING, false},
            {COMITY_GUEST_DATA, true},   {COMITY_GUEST_WAITING, true}, {COMITY_GUEST_JOINING, true},
            {COMITY_GUEST_GONE, false}};
  visit *v = *state;
  uint8_t sent[100];
  v->guests.guest = &v->guest;
  v->guests.count = 1;
  v->guest.rank = 1;
  for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
    double now = 100 * (double)(i + 1);
    v->guest.step = at[i].step;
    comity_guests_keep_signs(&v->guests, now);
    comity_guests_keep_signs(&v->guests, now + 0.1);
    assert_int_equal(read(v->visitor, sent, sizeof sent), at[i].waits ? 4 + 8 : -1);
    comity_guests_keep_signs(&v->guests, now + 10);
    assert_int_equal(read(v->visitor, sent, sizeof sent), at[i].waits ? 4 + 8 : -1);
  }
  v->guest.rank = 0;
  v->guest.step = COMITY_GUEST_QUEUE;
  comity_guests_keep_signs(&v->guests, 1000);
  assert_int_equal(read(v->visitor, sent, sizeof sent), -1);
  v->guest.rank = 1; /* and one who has gone does no harm */
  close(v->visitor);
  v->visitor = -1;
  comity_guests_keep_signs(&v->guests, 1000);
  assert_string_equal(comity_error_message(), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, arrive, depart)

static const struct CMUnitTest tests[] = {
    TEST(who_says_nothing_goes_after_ten_seconds),
    TEST(who_trickles_gains_no_time),
    TEST(who_closes_anywhere_in_his_hello_goes_at_once),
    TEST(who_announces_more_than_a_handshake_goes_at_once),
    TEST(a_hello_is_answered_and_then_a_proof_is_due),
    TEST(a_letter_about_data_names_its_host_in_plain_letters),
    TEST(a_letter_about_data_that_is_cut_is_refused),
    TEST(letters_out_of_turn_are_refused),
    TEST(who_waits_for_his_turn_may_say_little),
    TEST(who_gives_up_is_quoted_at_no_more_than_200_bytes),
    TEST(telling_the_end_keeps_the_reason_for_it),
    TEST(who_waits_gets_signs_of_life_when_they_are_due),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
