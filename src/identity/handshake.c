/* The handshake: two openings (key, nonce, X25519), two signatures over their transcript, and a sealed verdict. It is SIGMA's
 * idea with both identities in the transcript from the start (Source: Krawczyk 2003, "SIGMA"), so a signature can be taken
 * neither into another conversation nor for the other role. */
#include "identity_impl.h"

#include <string.h>

enum { VERSION = 1, HEAD = 8, NONCE = 32, SIGNATURE = crypto_sign_BYTES, ROLE = 16, BODY = 8 };
/* What a message is; also, what a handshake waits for. */
typedef enum message_kind { OVER, HELLO, ANSWER, PROOF, VERDICT } message_kind;

static const char label[] = "comity handshake 1";
/* Signed before the transcript's digest. */
static const char as_server[ROLE] = "comity server", as_silo[ROLE] = "comity silo";

enum { KEY_AT = HEAD, NONCE_AT = KEY_AT + COMITY_PUBLIC_KEY_BYTES, EPHEMERAL_AT = NONCE_AT + NONCE };
_Static_assert(COMITY_HELLO_BYTES == EPHEMERAL_AT + crypto_kx_PUBLICKEYBYTES &&
                   COMITY_ANSWER_BYTES == COMITY_HELLO_BYTES + SIGNATURE &&
                   COMITY_PROOF_BYTES == HEAD + SIGNATURE &&
                   COMITY_VERDICT_BYTES == HEAD + BODY + COMITY_SEAL_BYTES &&
                   COMITY_HANDSHAKE_BYTES == COMITY_ANSWER_BYTES,
               "a message has another size");

struct comity_handshake {
  const comity_identity *self;
  comity_public_key
      peer;     /* the silo's: the server that is expected; the server's: the silo that is claimed */
  char job[80]; /* for errors */
  uint8_t job_digest[COMITY_HASH_BYTES];
  message_kind next; /* OVER: after a failure, and at the end */
  uint8_t hello[COMITY_HELLO_BYTES];
  uint8_t ephemeral[crypto_kx_PUBLICKEYBYTES], ephemeral_secret[crypto_kx_SECRETKEYBYTES];
  uint8_t receive[crypto_kx_SESSIONKEYBYTES], send[crypto_kx_SESSIONKEYBYTES];
  uint8_t transcript[COMITY_HASH_BYTES];
};

/* ------------------------------------------------------------------------------------------------- pieces */

static void put_head(message_kind kind, uint8_t head[HEAD]) {
  memcpy(head, "comity", 6);
  head[6] = VERSION;
  head[7] = (uint8_t)kind;
}

static comity_status check_head(const uint8_t *bytes, size_t count, message_kind kind, size_t expected) {
  uint8_t head[HEAD];
  put_head(kind, head);
  COMITY_REQUIRE(count >= HEAD && memcmp(bytes, head, 6) == 0, COMITY_ERR_REFUSED,
                 "refused: who is at the other end does not speak Comity's handshake");
  COMITY_REQUIRE(
      bytes[6] == VERSION, COMITY_ERR_REFUSED,
      "refused: the other end speaks version %d of the handshake and this one version %d; let silos and server use "
      "the same version of Comity",
      bytes[6], VERSION);
  COMITY_REQUIRE(bytes[7] == kind && count == expected, COMITY_ERR_REFUSED,
                 "refused: message %d of the handshake with %zu bytes where message %d with %zu was due",
                 bytes[7], count, (int)kind, expected);
  return COMITY_OK;
}

/* Head, key, nonce, X25519: what hello is, and what an answer begins with. */
static void put_opening(const comity_handshake *h, message_kind kind, uint8_t opening[COMITY_HELLO_BYTES]) {
  put_head(kind, opening);
  memcpy(opening + KEY_AT, h->self->key.bytes, COMITY_PUBLIC_KEY_BYTES);
  randombytes_buf(opening + NONCE_AT, NONCE);
  memcpy(opening + EPHEMERAL_AT, h->ephemeral, sizeof h->ephemeral);
}

static void digest_transcript(comity_handshake *h, const uint8_t hello[COMITY_HELLO_BYTES],
                              const uint8_t answer[COMITY_HELLO_BYTES]) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, NULL, 0, COMITY_HASH_BYTES);
  crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
  crypto_generichash_update(&state, h->job_digest, sizeof h->job_digest);
  crypto_generichash_update(&state, hello, COMITY_HELLO_BYTES);
  crypto_generichash_update(&state, answer, COMITY_HELLO_BYTES); /* all of it but the signature */
  crypto_generichash_final(&state, h->transcript, COMITY_HASH_BYTES);
}

static void put_statement(const comity_handshake *h, const char role[ROLE],
                          uint8_t statement[ROLE + COMITY_HASH_BYTES]) {
  memcpy(statement, role, ROLE);
  memcpy(statement + ROLE, h->transcript, COMITY_HASH_BYTES);
}

static void sign(const comity_handshake *h, const char role[ROLE], uint8_t signature[SIGNATURE]) {
  uint8_t statement[ROLE + COMITY_HASH_BYTES];
  put_statement(h, role, statement);
  crypto_sign_detached(signature, NULL, statement, sizeof statement, h->self->secret);
}

static bool signed_by_peer(const comity_handshake *h, const char role[ROLE],
                           const uint8_t signature[SIGNATURE]) {
  uint8_t statement[ROLE + COMITY_HASH_BYTES];
  put_statement(h, role, statement);
  return crypto_sign_verify_detached(signature, statement, sizeof statement, h->peer.bytes) == 0;
}

/* "0123-4567-89ab-cdef (name)", for errors. */
typedef struct key_text {
  char text[COMITY_FINGERPRINT_BYTES + COMITY_KEY_NAME_BYTES + 4];
} key_text;

static key_text text_of(const comity_public_key *key) {
  key_text text;
  char fingerprint[COMITY_FINGERPRINT_BYTES];
  comity_public_key_fingerprint(key, fingerprint);
  snprintf(text.text, sizeof text.text, key->name[0] == '\0' ? "%s%s" : "%s (%s)", fingerprint, key->name);
  return text;
}

static comity_status begin(const comity_identity *self, const char *job, comity_handshake **handshake) {
  comity_handshake *made = NULL;
  COMITY_TRY(COMITY_NEW(made, 1));
  job = job == NULL ? "" : job;
  made->self = self;
  snprintf(made->job, sizeof made->job, "%s", job);
  crypto_generichash(made->job_digest, sizeof made->job_digest, (const uint8_t *)job, strlen(job), NULL, 0);
  crypto_kx_keypair(made->ephemeral, made->ephemeral_secret);
  *handshake = made;
  return COMITY_OK;
}

/* Every handshake takes each step once: it is over unless the step succeeds and says what comes next. */
static comity_status take_turn(comity_handshake *h, message_kind kind) {
  message_kind due = h->next;
  h->next = OVER;
  COMITY_REQUIRE(due == kind, COMITY_ERR_ARG, "a handshake is at another step, or over");
  return COMITY_OK;
}

static comity_status begin_session(comity_handshake *h, const comity_public_key *peer,
                                   comity_session **session) {
  comity_status status = comity_session_new(h->receive, h->send, h->transcript, peer, session);
  sodium_memzero(h->receive, sizeof h->receive);
  sodium_memzero(h->send, sizeof h->send);
  return status;
}

void comity_handshake_destroy(comity_handshake **handshake) {
  if (handshake == NULL || *handshake == NULL)
    return;
  sodium_memzero(*handshake, sizeof **handshake);
  comity_free(*handshake);
  *handshake = NULL;
}

/* ------------------------------------------------------------------------------------------------- server */

comity_status comity_handshake_answer(const comity_identity *self, const char *job, const uint8_t *hello,
                                      size_t count, uint8_t answer[COMITY_ANSWER_BYTES],
                                      comity_handshake **handshake) {
  comity_handshake *h = NULL;
  COMITY_TRY(check_head(hello, count, HELLO, COMITY_HELLO_BYTES));
  COMITY_TRY(begin(self, job, &h));
  memcpy(h->peer.bytes, hello + KEY_AT, sizeof h->peer.bytes);
  int agreed = crypto_kx_server_session_keys(h->receive, h->send, h->ephemeral, h->ephemeral_secret,
                                             hello + EPHEMERAL_AT);
  sodium_memzero(h->ephemeral_secret, sizeof h->ephemeral_secret);
  if (agreed != 0) {
    key_text claimed = text_of(&h->peer);
    comity_handshake_destroy(&h);
    return comity_fail(COMITY_ERR_REFUSED, "refused: who claims to be silo %s sent an unusable X25519 key",
                       claimed.text);
  }
  put_opening(h, ANSWER, answer);
  digest_transcript(h, hello, answer);
  sign(h, as_server, answer + COMITY_HELLO_BYTES);
  h->next = PROOF;
  *handshake = h;
  return COMITY_OK;
}

/* Looks at every key, so that the time taken does not tell who is on the list. */
static size_t find_key(const comity_public_key *key, const comity_public_key *allowed, size_t keys) {
  size_t found = keys;
  for (size_t i = keys; i-- > 0;)
    if (comity_public_key_equal(&allowed[i], key))
      found = i;
  return found;
}

/* Whether this silo may join; if not, why, for the server's log. */
static comity_status judge(const comity_handshake *h, const uint8_t *proof, size_t count, bool listed) {
  comity_status status = check_head(proof, count, PROOF, COMITY_PROOF_BYTES);
  key_text claimed = text_of(&h->peer);
  if (status != COMITY_OK)
    return comity_fail_context(status, "who claims to be silo %s", claimed.text);
  COMITY_REQUIRE(
      signed_by_peer(h, as_silo, proof + HEAD), COMITY_ERR_REFUSED,
      "refused: who claims to be silo %s did not prove that it has that key%s: it may be an impostor, or the "
      "handshake was changed on its way",
      claimed.text, listed ? ", which is in silos.keys" : "");
  char line[COMITY_KEY_LINE_BYTES];
  comity_public_key_line(&h->peer, line);
  COMITY_REQUIRE(listed, COMITY_ERR_REFUSED,
                 "refused: silo %s is not in silos.keys; if it shall join, add its key there: %s",
                 claimed.text, line);
  return COMITY_OK;
}

comity_status comity_handshake_verdict(comity_handshake *h, const uint8_t *proof, size_t count,
                                       const comity_public_key *allowed, size_t keys,
                                       uint8_t verdict[COMITY_VERDICT_BYTES], size_t *silo,
                                       comity_session **session) {
  comity_session *begun = NULL;
  COMITY_TRY(take_turn(h, PROOF));
  size_t found = find_key(&h->peer, allowed, keys);
  COMITY_REQUIRE(found <= UINT32_MAX, COMITY_ERR_ARG, "more silos than a verdict can number");
  COMITY_TRY(begin_session(h, found < keys ? &allowed[found] : &h->peer, &begun));
  comity_status status = judge(h, proof, count, found < keys);
  uint8_t body[BODY] = {0}; /* yes or no, three bytes of nothing, the silo's index from its lowest byte */
  if (status == COMITY_OK) {
    body[0] = 1;
    for (int i = 0; i < 4; i++)
      body[4 + i] = (uint8_t)(found >> 8 * i);
  }
  put_head(VERDICT, verdict);
  comity_status sealed = comity_session_seal(begun, body, sizeof body, verdict + HEAD);
  status = status != COMITY_OK ? status : sealed;
  if (status != COMITY_OK) {
    comity_session_destroy(&begun);
    return status;
  }
  *silo = found;
  *session = begun;
  return COMITY_OK;
}

/* --------------------------------------------------------------------------------------------------- silo */

comity_status comity_handshake_hello(const comity_identity *self, const comity_public_key *server,
                                     const char *job, uint8_t hello[COMITY_HELLO_BYTES],
                                     comity_handshake **handshake) {
  comity_handshake *h = NULL;
  COMITY_TRY(begin(self, job, &h));
  h->peer = *server;
  put_opening(h, HELLO, h->hello);
  memcpy(hello, h->hello, sizeof h->hello);
  h->next = ANSWER;
  *handshake = h;
  return COMITY_OK;
}

static comity_status check_server(const comity_handshake *h, const uint8_t *answer) {
  comity_public_key claimed = {.name = ""};
  memcpy(claimed.bytes, answer + KEY_AT, sizeof claimed.bytes);
  key_text expected = text_of(&h->peer);
  COMITY_REQUIRE(
      comity_public_key_equal(&claimed, &h->peer), COMITY_ERR_REFUSED,
      "refused: the server that answered has key %s, but this silo shall trust %s; look at the server's address, "
      "or, when the server has a new key, get that from who runs it",
      text_of(&claimed).text, expected.text);
  COMITY_REQUIRE(
      signed_by_peer(h, as_server, answer + COMITY_HELLO_BYTES), COMITY_ERR_REFUSED,
      "refused: who answered did not prove that it has the server's key %s for %s%s%s: it may be an impostor, the "
      "server may run another job, or the handshake was changed on its way",
      expected.text, h->job[0] == '\0' ? "any job" : "job '", h->job, h->job[0] == '\0' ? "" : "'");
  return COMITY_OK;
}

comity_status comity_handshake_proof(comity_handshake *h, const uint8_t *answer, size_t count,
                                     uint8_t proof[COMITY_PROOF_BYTES]) {
  COMITY_TRY(take_turn(h, ANSWER));
  COMITY_TRY(check_head(answer, count, ANSWER, COMITY_ANSWER_BYTES));
  digest_transcript(h, h->hello, answer);
  COMITY_TRY(check_server(h, answer));
  int agreed = crypto_kx_client_session_keys(h->receive, h->send, h->ephemeral, h->ephemeral_secret,
                                             answer + EPHEMERAL_AT);
  sodium_memzero(h->ephemeral_secret, sizeof h->ephemeral_secret);
  COMITY_REQUIRE(agreed == 0, COMITY_ERR_REFUSED, "refused: server %s sent an unusable X25519 key",
                 text_of(&h->peer).text);
  put_head(PROOF, proof);
  sign(h, as_silo, proof + HEAD);
  h->next = VERDICT;
  return COMITY_OK;
}

static comity_status read_verdict(const comity_handshake *h, comity_session *session, const uint8_t *verdict,
                                  size_t *silo) {
  uint8_t body[BODY];
  comity_status status = comity_session_open(session, verdict + HEAD, COMITY_VERDICT_BYTES - HEAD, body);
  if (status != COMITY_OK)
    return comity_fail_context(status, "the server's verdict cannot be read");
  char line[COMITY_KEY_LINE_BYTES];
  comity_public_key_line(&h->self->key, line);
  COMITY_REQUIRE(body[0] == 1, COMITY_ERR_REFUSED,
                 "server %s refused silo %s: ask who runs it to add this line to silos.keys in its job: %s",
                 text_of(&h->peer).text, text_of(&h->self->key).text, line);
  *silo = body[4] | (size_t)body[5] << 8 | (size_t)body[6] << 16 | (size_t)body[7] << 24;
  return COMITY_OK;
}

comity_status comity_handshake_welcome(comity_handshake *h, const uint8_t *verdict, size_t count,
                                       size_t *silo, comity_session **session) {
  comity_session *begun = NULL;
  COMITY_TRY(take_turn(h, VERDICT));
  COMITY_TRY(check_head(verdict, count, VERDICT, COMITY_VERDICT_BYTES));
  COMITY_TRY(begin_session(h, &h->peer, &begun));
  comity_status status = read_verdict(h, begun, verdict, silo);
  if (status != COMITY_OK) {
    comity_session_destroy(&begun);
    return status;
  }
  *session = begun;
  return COMITY_OK;
}
