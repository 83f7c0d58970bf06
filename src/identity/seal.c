/* Messages under a session's keys: a number, then what ChaCha20-Poly1305 makes of the message with the number as nonce. Each
 * direction has a key of its own, so a message that is sent back is refused as well. */
#include "identity_impl.h"

#include <string.h>

enum {
  KEY = crypto_aead_chacha20poly1305_ietf_KEYBYTES,
  NONCE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
  NUMBER = 8,
};
_Static_assert(COMITY_SEAL_BYTES == NUMBER + crypto_aead_chacha20poly1305_ietf_ABYTES,
               "a seal has another size");

struct comity_session {
  comity_public_key peer;
  uint8_t send_key[KEY], receive_key[KEY];
  uint64_t sent, received; /* numbers of the last messages; the first has 1 */
};

static void mix(uint8_t key[KEY], const uint8_t shared[crypto_kx_SESSIONKEYBYTES],
                const uint8_t transcript[COMITY_HASH_BYTES]) {
  crypto_generichash(key, KEY, transcript, COMITY_HASH_BYTES, shared, crypto_kx_SESSIONKEYBYTES);
}

comity_status comity_session_new(const uint8_t receive[crypto_kx_SESSIONKEYBYTES],
                                 const uint8_t send[crypto_kx_SESSIONKEYBYTES],
                                 const uint8_t transcript[COMITY_HASH_BYTES], const comity_public_key *peer,
                                 comity_session **session) {
  comity_session *made = NULL;
  COMITY_TRY(COMITY_NEW(made, 1));
  made->peer = *peer;
  mix(made->receive_key, receive, transcript);
  mix(made->send_key, send, transcript);
  *session = made;
  return COMITY_OK;
}

/* The nonce is the number, lowest byte first, on any machine; the message begins with the same bytes. */
static void put_number(uint64_t number, uint8_t nonce[NONCE]) {
  memset(nonce, 0, NONCE);
  for (int i = 0; i < NUMBER; i++)
    nonce[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t get_number(const uint8_t nonce[NONCE]) {
  uint64_t number = 0;
  for (int i = 0; i < NUMBER; i++)
    number |= (uint64_t)nonce[i] << 8 * i;
  return number;
}

comity_status comity_session_seal(comity_session *session, const void *message, size_t count,
                                  uint8_t *sealed) {
  uint8_t nonce[NONCE];
  COMITY_REQUIRE(session->sent < UINT64_MAX, COMITY_ERR_ARG, "a session has no number for another message");
  put_number(++session->sent, nonce);
  memcpy(sealed, nonce, NUMBER);
  crypto_aead_chacha20poly1305_ietf_encrypt(sealed + NUMBER, NULL, message, count, NULL, 0, NULL, nonce,
                                            session->send_key);
  return COMITY_OK;
}

static comity_status refuse(const comity_session *session, const char *reason) {
  char fingerprint[COMITY_FINGERPRINT_BYTES];
  comity_public_key_fingerprint(&session->peer, fingerprint);
  return comity_fail(COMITY_ERR_REFUSED, "a message in the session with key %s (%s) was refused: %s",
                     fingerprint, session->peer.name[0] == '\0' ? "no name" : session->peer.name, reason);
}

comity_status comity_session_open(comity_session *session, const uint8_t *sealed, size_t count,
                                  void *message) {
  uint8_t nonce[NONCE] = {0};
  if (count < COMITY_SEAL_BYTES)
    return refuse(session, "it is too short");
  memcpy(nonce, sealed, NUMBER);
  uint64_t number = get_number(nonce);
  if (number <= session->received)
    return refuse(session, "it or a later one was there before, so somebody sent a copy or changed it");
  if (crypto_aead_chacha20poly1305_ietf_decrypt(message, NULL, NULL, sealed + NUMBER, count - NUMBER, NULL, 0,
                                                nonce, session->receive_key) != 0)
    return refuse(session, "its seal is wrong, so somebody else wrote it or it was changed on its way");
  session->received = number;
  return COMITY_OK;
}

const comity_public_key *comity_session_peer(const comity_session *session) { return &session->peer; }

void comity_session_destroy(comity_session **session) {
  if (session == NULL || *session == NULL)
    return;
  sodium_memzero(*session, sizeof **session);
  comity_free(*session);
  *session = NULL;
}
