/* Any bytes from a stranger: as both messages that the server of a federation reads, as a sealed message, and as key files. The
 * first byte chooses. Nobody gets in, and who is refused is refused with a message. */
#include "fuzz_dataset.h"

#include "identity/identity_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Always the same key, so that findings can be repeated. */
static comity_identity *server(void) {
  static const char text[] = "comity-ed25519-secret nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A= server\n";
  comity_identity *identity;
  fuzz_must(comity_key_file_secret("server", text, sizeof text - 1, &identity) == COMITY_OK, "no server");
  return identity;
}

/* A hello, and after its 104 bytes a proof. Whoever is listed: the first key in the hello itself. */
static void as_silo(const uint8_t *bytes, size_t count) {
  comity_identity *identity = server();
  comity_handshake *handshake = NULL;
  comity_session *session = NULL;
  comity_public_key listed = {.name = "listed"};
  uint8_t answer[COMITY_ANSWER_BYTES], verdict[COMITY_VERDICT_BYTES] = {0};
  size_t hello = count < COMITY_HELLO_BYTES ? count : COMITY_HELLO_BYTES, silo = 7;
  comity_status status = comity_handshake_answer(identity, "job", bytes, hello, answer, &handshake);
  if (status == COMITY_OK) {
    fuzz_must(hello == COMITY_HELLO_BYTES, "a short hello that was answered");
    memcpy(listed.bytes, bytes + 8, sizeof listed.bytes);
    status = comity_handshake_verdict(handshake, bytes + hello, count - hello, &listed, 1, verdict, &silo,
                                      &session);
    fuzz_must(memcmp(verdict, "comity", 6) == 0, "a refusal that is not told");
  }
  fuzz_must(status == COMITY_ERR_REFUSED && session == NULL && silo == 7, "a stranger got in");
  fuzz_must(strstr(comity_error_message(), "refused") != NULL, "a refusal without a message");
  comity_handshake_destroy(&handshake);
  comity_identity_destroy(&identity);
}

static void as_server(const uint8_t *bytes, size_t count) {
  comity_identity *identity = server();
  comity_handshake *handshake = NULL;
  uint8_t hello[COMITY_HELLO_BYTES], proof[COMITY_PROOF_BYTES];
  fuzz_must(comity_handshake_hello(identity, comity_identity_public(identity), NULL, hello, &handshake) ==
                COMITY_OK,
            "no hello");
  fuzz_must(comity_handshake_proof(handshake, bytes, count, proof) == COMITY_ERR_REFUSED,
            "a stranger served");
  comity_handshake_destroy(&handshake);
  comity_identity_destroy(&identity);
}

static void as_sealed(const uint8_t *bytes, size_t count) {
  static const uint8_t keys[32] = {1};
  const comity_public_key peer = {.name = "peer"};
  comity_session *session = NULL;
  uint8_t *opened = malloc(count + 1);
  fuzz_must(comity_session_new(keys, keys, keys, &peer, &session) == COMITY_OK, "no session");
  comity_status status = comity_session_open(session, bytes, count, opened);
  fuzz_must(status == COMITY_OK || status == COMITY_ERR_REFUSED, "an unexpected status");
  comity_session_destroy(&session);
  free(opened);
}

/* What is read can be written and read again. */
static void as_public_file(const uint8_t *bytes, size_t count) {
  comity_public_key key, again;
  char line[COMITY_KEY_LINE_BYTES], fingerprint[COMITY_FINGERPRINT_BYTES];
  comity_status status = comity_key_file_public("file.pub", (const char *)bytes, count, &key);
  if (status != COMITY_OK) {
    fuzz_must(status == COMITY_ERR_CONFIG && strncmp(comity_error_message(), "file.pub:", 9) == 0,
              "a failure without a place");
    return;
  }
  comity_public_key_line(&key, line);
  comity_public_key_fingerprint(&key, fingerprint);
  fuzz_must(comity_key_is_line(line) && comity_public_key_parse("line", line, &again) == COMITY_OK &&
                comity_public_key_equal(&key, &again) && strcmp(key.name, again.name) == 0,
            "a key that changed when it was read again");
}

static void as_secret_file(const uint8_t *bytes, size_t count) {
  comity_identity *identity = NULL;
  comity_public_key key;
  char line[COMITY_KEY_LINE_BYTES];
  comity_status status = comity_key_file_secret("file", (const char *)bytes, count, &identity);
  if (status != COMITY_OK) {
    fuzz_must(status == COMITY_ERR_CONFIG && strncmp(comity_error_message(), "file:", 5) == 0,
              "a failure without a place");
    return;
  }
  comity_public_key_line(comity_identity_public(identity), line);
  fuzz_must(comity_public_key_parse("line", line, &key) == COMITY_OK, "a secret without a public key");
  comity_identity_destroy(&identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static void (*const as[])(const uint8_t *, size_t) = {as_silo, as_server, as_sealed, as_public_file,
                                                        as_secret_file};
  if (count > 0)
    as[bytes[0] % 5](bytes + 1, count - 1);
  return 0;
}
