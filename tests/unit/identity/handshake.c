/* Silo and server prove to each other who they are; whatever is changed, repeated, swapped or made up is refused. */
#include "test.h"

#include <comity/identity.h>

#include <sodium.h>
#include <string.h>

/* Everything of one handshake, step by step, so that tests can interfere between two steps. */
typedef struct conversation {
  comity_handshake *silo, *server;
  uint8_t hello[COMITY_HELLO_BYTES], answer[COMITY_ANSWER_BYTES], proof[COMITY_PROOF_BYTES];
  uint8_t verdict[COMITY_VERDICT_BYTES];
  size_t index_at_server, index_at_silo;
  comity_session *at_server, *at_silo;
} conversation;

/* Keys that last for all tests: two silos that may join, a stranger, the server, another server. */
static comity_identity *silo_0, *silo_1, *stranger, *server, *other_server;
static comity_public_key allowed[2];

static int make_keys(void **state) {
  (void)state;
  comity_identity **const identities[] = {&silo_0, &silo_1, &stranger, &server, &other_server};
  static const char *const names[] = {"first", "second", "stranger", "server", "other"};
  for (int i = 0; i < 5; i++)
    if (comity_identity_new(names[i], identities[i]) != COMITY_OK)
      return 1;
  allowed[0] = *comity_identity_public(silo_0);
  allowed[1] = *comity_identity_public(silo_1);
  return 0;
}

static int drop_keys(void **state) {
  (void)state;
  comity_identity **const identities[] = {&silo_0, &silo_1, &stranger, &server, &other_server};
  for (int i = 0; i < 5; i++)
    comity_identity_destroy(identities[i]);
  return 0;
}

static const comity_public_key *server_key(void) { return comity_identity_public(server); }

static void assert_message(const char *part) {
  if (strstr(comity_error_message(), part) == NULL)
    fail_msg("'%s' is not in: %s", part, comity_error_message());
}

static comity_status hello(conversation *c, const comity_identity *silo, const char *job) {
  *c = (conversation){0};
  return comity_handshake_hello(silo, server_key(), job, c->hello, &c->silo);
}
static comity_status answer(conversation *c, const char *job) {
  return comity_handshake_answer(server, job, c->hello, sizeof c->hello, c->answer, &c->server);
}
static comity_status proof(conversation *c) {
  return comity_handshake_proof(c->silo, c->answer, sizeof c->answer, c->proof);
}
static comity_status verdict(conversation *c) {
  return comity_handshake_verdict(c->server, c->proof, sizeof c->proof, allowed, 2, c->verdict,
                                  &c->index_at_server, &c->at_server);
}
static comity_status welcome(conversation *c) {
  return comity_handshake_welcome(c->silo, c->verdict, sizeof c->verdict, &c->index_at_silo, &c->at_silo);
}

static void end(conversation *c) {
  comity_handshake_destroy(&c->silo);
  comity_handshake_destroy(&c->server);
  comity_session_destroy(&c->at_server);
  comity_session_destroy(&c->at_silo);
}

static void both_sides_know_each_other_afterwards(void **state) {
  (void)state;
  conversation c;
  assert_int_equal(hello(&c, silo_1, "heart"), COMITY_OK);
  assert_int_equal(answer(&c, "heart"), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  assert_int_equal(verdict(&c), COMITY_OK);
  assert_int_equal(welcome(&c), COMITY_OK);
  assert_int_equal(c.index_at_server, 1);
  assert_int_equal(c.index_at_silo, 1);
  assert_true(comity_public_key_equal(comity_session_peer(c.at_server), &allowed[1]));
  assert_string_equal(comity_session_peer(c.at_server)->name, "second");
  assert_true(comity_public_key_equal(comity_session_peer(c.at_silo), server_key()));
  uint8_t sealed[5 + COMITY_SEAL_BYTES];
  char message[5];
  assert_int_equal(comity_session_seal(c.at_silo, "ready", 5, sealed), COMITY_OK);
  assert_int_equal(comity_session_open(c.at_server, sealed, sizeof sealed, message), COMITY_OK);
  assert_memory_equal(message, "ready", 5);
  assert_int_equal(comity_session_seal(c.at_server, "start", 5, sealed), COMITY_OK);
  assert_int_equal(comity_session_open(c.at_silo, sealed, sizeof sealed, message), COMITY_OK);
  assert_memory_equal(message, "start", 5);
  end(&c);
}

/* What is signed, put together here once more: the role, and the digest of label, job, hello and answer without its signature. */
static void signatures_are_over_role_and_transcript(void **state) {
  (void)state;
  conversation c;
  assert_int_equal(hello(&c, silo_0, "heart"), COMITY_OK);
  assert_int_equal(answer(&c, "heart"), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  uint8_t transcript[19 + 32 + 2 * COMITY_HELLO_BYTES], server_says[16 + 32] = "comity server",
                                                                         silo_says[16 + 32] = "comity silo";
  memcpy(transcript, "comity handshake 1", 19);
  assert_int_equal(comity_hash_bytes("heart", 5, transcript + 19), COMITY_OK);
  memcpy(transcript + 19 + 32, c.hello, COMITY_HELLO_BYTES);
  memcpy(transcript + 19 + 32 + COMITY_HELLO_BYTES, c.answer, COMITY_HELLO_BYTES);
  assert_int_equal(comity_hash_bytes(transcript, sizeof transcript, server_says + 16), COMITY_OK);
  memcpy(silo_says + 16, server_says + 16, 32);
  assert_int_equal(crypto_sign_verify_detached(c.answer + COMITY_HELLO_BYTES, server_says, sizeof server_says,
                                               server_key()->bytes),
                   0);
  assert_int_equal(crypto_sign_verify_detached(c.proof + 8, silo_says, sizeof silo_says, allowed[0].bytes),
                   0);
  end(&c);
}

/* Every bit of every message. A changed hello may be answered, but then the silo refuses the answer to what it did not say. */
static void every_changed_bit_is_refused(void **state) {
  (void)state;
  static const size_t sizes[] = {COMITY_HELLO_BYTES, COMITY_ANSWER_BYTES, COMITY_PROOF_BYTES,
                                 COMITY_VERDICT_BYTES};
  for (int message = 0; message < 4; message++)
    for (size_t bit = 0; bit < 8 * sizes[message]; bit++) {
      conversation c;
      uint8_t *const bytes[] = {c.hello, c.answer, c.proof, c.verdict};
      comity_status (*const steps[])(conversation *) = {proof, verdict, welcome};
      assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
      if (message == 0)
        bytes[0][bit / 8] ^= (uint8_t)(1u << bit % 8);
      comity_status status = answer(&c, NULL);
      for (int step = 1; status == COMITY_OK && step < 4; step++) {
        if (message == step)
          bytes[step][bit / 8] ^= (uint8_t)(1u << bit % 8);
        status = steps[step - 1](&c);
        if (status != COMITY_OK)
          assert_int_equal(step, message == 0 ? 1 : message); /* noticed by the first who gets it */
      }
      if (status != COMITY_ERR_REFUSED || c.at_silo != NULL || (message < 3 && c.at_server != NULL))
        fail_msg("message %d with bit %zu changed: %s", message, bit, comity_status_name(status));
      end(&c);
    }
}

static void messages_of_another_length_are_refused(void **state) {
  (void)state;
  conversation c;
  uint8_t longer[COMITY_HANDSHAKE_BYTES + 1] = {0}, out[COMITY_HANDSHAKE_BYTES];
  comity_handshake *h = NULL;
  for (size_t count = 0; count <= sizeof longer; count++) {
    assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
    memcpy(longer, c.hello, sizeof c.hello);
    if (count != sizeof c.hello)
      assert_int_equal(comity_handshake_answer(server, NULL, longer, count, out, &h), COMITY_ERR_REFUSED);
    assert_int_equal(answer(&c, NULL), COMITY_OK);
    memcpy(longer, c.answer, sizeof c.answer);
    if (count != sizeof c.answer) {
      assert_int_equal(comity_handshake_proof(c.silo, longer, count, out), COMITY_ERR_REFUSED);
      end(&c);
      continue;
    }
    assert_int_equal(proof(&c), COMITY_OK);
    end(&c);
  }
  for (size_t count = 0; count <= COMITY_PROOF_BYTES + 1; count++) {
    assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
    assert_int_equal(answer(&c, NULL), COMITY_OK);
    assert_int_equal(proof(&c), COMITY_OK);
    memcpy(longer, c.proof, sizeof c.proof);
    comity_status expected = count == COMITY_PROOF_BYTES ? COMITY_OK : COMITY_ERR_REFUSED;
    assert_int_equal(comity_handshake_verdict(c.server, longer, count, allowed, 2, c.verdict,
                                              &c.index_at_server, &c.at_server),
                     expected);
    memcpy(longer, c.verdict, sizeof c.verdict);
    if (expected == COMITY_OK) /* 72 bytes are too many for a verdict */
      assert_int_equal(comity_handshake_welcome(c.silo, longer, count, &c.index_at_silo, &c.at_silo),
                       COMITY_ERR_REFUSED);
    else
      assert_int_equal(welcome(&c), COMITY_ERR_REFUSED);
    end(&c);
  }
}

static void another_version_is_named(void **state) {
  (void)state;
  conversation c;
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  c.hello[6] = 9;
  assert_int_equal(answer(&c, NULL), COMITY_ERR_REFUSED);
  assert_message("speaks version 9 of the handshake");
  end(&c);
}

static void a_replayed_silo_is_refused(void **state) {
  (void)state;
  conversation first, again;
  assert_int_equal(hello(&first, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&first, NULL), COMITY_OK);
  assert_int_equal(proof(&first), COMITY_OK);
  assert_int_equal(verdict(&first), COMITY_OK);
  again = (conversation){0};
  memcpy(again.hello, first.hello, sizeof first.hello);
  memcpy(again.proof, first.proof, sizeof first.proof);
  assert_int_equal(answer(&again, NULL), COMITY_OK);
  assert_memory_not_equal(again.answer, first.answer, sizeof first.answer);
  assert_int_equal(verdict(&again), COMITY_ERR_REFUSED);
  assert_message("did not prove that it has that key, which is in silos.keys");
  assert_null(again.at_server);
  end(&first);
  end(&again);
}

static void a_replayed_server_is_refused(void **state) {
  (void)state;
  conversation first, again;
  assert_int_equal(hello(&first, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&first, NULL), COMITY_OK);
  assert_int_equal(hello(&again, silo_0, NULL), COMITY_OK);
  memcpy(again.answer, first.answer, sizeof first.answer);
  assert_int_equal(proof(&again), COMITY_ERR_REFUSED);
  assert_message("who answered did not prove that it has the server's key");
  end(&first);
  end(&again);
}

/* Who pretends to be the server as a silo gets the server's own signature; it is worth nothing in that role. */
static void a_signature_counts_in_its_role_only(void **state) {
  (void)state;
  conversation c;
  uint8_t head[8];
  comity_session *session = NULL;
  size_t index;
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  memcpy(head, c.proof, sizeof head);
  end(&c);
  assert_int_equal(hello(&c, server, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  memcpy(c.proof, head, sizeof head);
  memcpy(c.proof + sizeof head, c.answer + COMITY_HELLO_BYTES, COMITY_ANSWER_BYTES - COMITY_HELLO_BYTES);
  assert_int_equal(comity_handshake_verdict(c.server, c.proof, sizeof c.proof, server_key(), 1, c.verdict,
                                            &index, &session),
                   COMITY_ERR_REFUSED);
  assert_null(session);
  end(&c);
}

static void another_job_is_refused(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"heart", "lung"}, {"heart", NULL}, {NULL, "heart"}, {"heart", "heart "}};
  for (int i = 0; i < 4; i++) {
    conversation c;
    assert_int_equal(hello(&c, silo_0, pairs[i][0]), COMITY_OK);
    assert_int_equal(answer(&c, pairs[i][1]), COMITY_OK);
    assert_int_equal(proof(&c), COMITY_ERR_REFUSED);
    assert_message(pairs[i][0] == NULL ? "for any job: " : "for job 'heart': ");
    end(&c);
  }
  conversation c;
  assert_int_equal(hello(&c, silo_0, ""), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  end(&c);
}

static void a_stranger_is_refused_and_both_sides_say_whom(void **state) {
  (void)state;
  conversation c;
  char fingerprint[COMITY_FINGERPRINT_BYTES], line[COMITY_KEY_LINE_BYTES];
  comity_public_key nameless = *comity_identity_public(stranger);
  comity_public_key_fingerprint(&nameless, fingerprint);
  nameless.name[0] = '\0';
  assert_int_equal(hello(&c, stranger, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  assert_int_equal(verdict(&c), COMITY_ERR_REFUSED);
  assert_null(c.at_server);
  assert_message(fingerprint);
  assert_message("is not in silos.keys");
  comity_public_key_line(&nameless, line);
  assert_message(line);
  assert_int_equal(welcome(&c), COMITY_ERR_REFUSED);
  assert_null(c.at_silo);
  assert_message("(server) refused silo");
  assert_message(fingerprint);
  comity_public_key_line(comity_identity_public(stranger), line);
  assert_message(line);
  end(&c);
}

/* Somebody who knows a listed key but not its secret. */
static void a_key_without_its_secret_is_refused(void **state) {
  (void)state;
  conversation c, own;
  char fingerprint[COMITY_FINGERPRINT_BYTES];
  comity_public_key_fingerprint(&allowed[0], fingerprint);
  assert_int_equal(hello(&own, stranger, NULL), COMITY_OK);
  c = own;
  memcpy(c.hello + 8, allowed[0].bytes, sizeof allowed[0].bytes);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  memcpy(own.answer, c.answer, sizeof c.answer);
  assert_int_equal(
      comity_handshake_answer(server, NULL, own.hello, sizeof own.hello, own.answer, &own.server), COMITY_OK);
  assert_int_equal(proof(&own), COMITY_OK);
  memcpy(c.proof, own.proof, sizeof c.proof);
  assert_int_equal(verdict(&c), COMITY_ERR_REFUSED);
  assert_message(fingerprint);
  assert_message("did not prove that it has that key");
  c.silo = NULL; /* it is own's */
  end(&c);
  end(&own);
}

static void nobody_may_join_by_an_empty_list(void **state) {
  (void)state;
  conversation c;
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  assert_int_equal(comity_handshake_verdict(c.server, c.proof, sizeof c.proof, NULL, 0, c.verdict,
                                            &c.index_at_server, &c.at_server),
                   COMITY_ERR_REFUSED);
  assert_int_equal(welcome(&c), COMITY_ERR_REFUSED);
  end(&c);
}

static void another_server_is_refused(void **state) {
  (void)state;
  conversation c;
  char fingerprint[COMITY_FINGERPRINT_BYTES];
  comity_public_key_fingerprint(comity_identity_public(other_server), fingerprint);
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  assert_int_equal(comity_handshake_answer(other_server, NULL, c.hello, sizeof c.hello, c.answer, &c.server),
                   COMITY_OK);
  assert_int_equal(proof(&c), COMITY_ERR_REFUSED);
  assert_message(fingerprint);
  assert_message("but this silo shall trust");
  end(&c);
}

/* X25519 with a point of small order would give a secret that everybody knows. */
static void unusable_ephemeral_keys_are_refused(void **state) {
  (void)state;
  for (uint8_t point = 0; point < 2; point++) {
    conversation c;
    assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
    memset(c.hello + COMITY_HELLO_BYTES - 32, 0, 32);
    c.hello[COMITY_HELLO_BYTES - 32] = point;
    assert_int_equal(answer(&c, NULL), COMITY_ERR_REFUSED);
    assert_message("unusable X25519 key");
    assert_null(c.server);
    end(&c);
  }
}

static void steps_go_in_order_and_once(void **state) {
  (void)state;
  conversation c;
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(welcome(&c), COMITY_ERR_ARG);
  assert_int_equal(proof(&c), COMITY_ERR_ARG); /* over after a mistake */
  end(&c);
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  assert_int_equal(verdict(&c), COMITY_OK);
  comity_session_destroy(&c.at_server);
  assert_int_equal(verdict(&c), COMITY_ERR_ARG);
  assert_int_equal(welcome(&c), COMITY_OK);
  comity_session_destroy(&c.at_silo);
  assert_int_equal(welcome(&c), COMITY_ERR_ARG);
  end(&c);
  /* One guess for each handshake: after a wrong proof the right one comes too late. */
  assert_int_equal(hello(&c, silo_0, NULL), COMITY_OK);
  assert_int_equal(answer(&c, NULL), COMITY_OK);
  assert_int_equal(proof(&c), COMITY_OK);
  c.proof[20] ^= 1;
  assert_int_equal(verdict(&c), COMITY_ERR_REFUSED);
  c.proof[20] ^= 1;
  assert_int_equal(verdict(&c), COMITY_ERR_ARG);
  end(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_sides_know_each_other_afterwards),
      cmocka_unit_test(signatures_are_over_role_and_transcript),
      cmocka_unit_test(every_changed_bit_is_refused),
      cmocka_unit_test(messages_of_another_length_are_refused),
      cmocka_unit_test(another_version_is_named),
      cmocka_unit_test(a_replayed_silo_is_refused),
      cmocka_unit_test(a_replayed_server_is_refused),
      cmocka_unit_test(a_signature_counts_in_its_role_only),
      cmocka_unit_test(another_job_is_refused),
      cmocka_unit_test(a_stranger_is_refused_and_both_sides_say_whom),
      cmocka_unit_test(a_key_without_its_secret_is_refused),
      cmocka_unit_test(nobody_may_join_by_an_empty_list),
      cmocka_unit_test(another_server_is_refused),
      cmocka_unit_test(unusable_ephemeral_keys_are_refused),
      cmocka_unit_test(steps_go_in_order_and_once),
  };
  return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
