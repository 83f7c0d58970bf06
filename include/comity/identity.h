/** \file identity.h
 *  Who somebody is, when processes that were started apart meet: Ed25519 key pairs in files, a handshake in which a silo and
 * the server prove to each other that they own theirs, and a session under which later messages cannot be forged. Bytes in,
 * bytes out: nothing here sends, waits or looks at a clock, and nothing knows of MPI.
 *
 *  Trust is what is configured, in both directions: the server's job lists the public keys of the silos that may join
 * (silos.keys), and each silo is told the server's. Each keeps its secret key to itself (`comity keygen` makes the pair).
 *
 *      silo                                                          server
 *      comity_handshake_hello    -- hello:   key, nonce, X25519 -->
 *                                <- answer:  key, nonce, X25519,
 *                                            signature ----------    comity_handshake_answer
 *      comity_handshake_proof    -- proof:   signature ---------->
 *                                <- verdict: sealed -------------    comity_handshake_verdict
 *      comity_handshake_welcome
 *
 *  What is signed is the name of the signer's role and BLAKE2b-256 of the transcript: the protocol's label, the job, the hello
 * and the answer, so no signature means anything in another role, job or handshake. X25519 with keys that live for one
 * handshake gives the session's keys, one for each direction, bound to the same transcript: who takes the connection over
 * afterwards can neither read nor write sealed messages, not even with keys that are stolen later.
 *
 *  Public keys travel in the clear. A stranger gets the same answer and a verdict of the same size as anybody else: it learns
 * that it is refused, and not who would not be. Messages of a refusal are for the log of the side that refuses.
 *
 *  No function here is collective. Objects belong to one thread at a time.
 */
#ifndef COMITY_IDENTITY_H
#define COMITY_IDENTITY_H

#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------------------------------------- public keys */

enum {
  COMITY_PUBLIC_KEY_BYTES = 32,
  COMITY_KEY_NAME_BYTES = 64,      /* a name and its NUL */
  COMITY_KEY_LINE_BYTES = 128,     /* "comity-ed25519 <base64> <name>" and a NUL */
  COMITY_FINGERPRINT_BYTES = 20,   /* "0123-4567-89ab-cdef" and a NUL */
  COMITY_KEY_FILE_BYTES_MAX = 4096 /* longer files are no key files */
};

/** A public key. The name is for people: it is part of no signature and no comparison. */
typedef struct comity_public_key {
  uint8_t bytes[COMITY_PUBLIC_KEY_BYTES];
  char name[COMITY_KEY_NAME_BYTES]; /* ASCII letters, digits and . _ @ + -; "" = none */
} comity_public_key;

/** The key as one line of text, without a newline: what stands in .pub files and may stand in silos.keys. */
COMITY_API void comity_public_key_line(const comity_public_key *key, char line[COMITY_KEY_LINE_BYTES]);
/** The first 16 hexadecimal digits of BLAKE2b-256 of the key's bytes, in groups of four: to find a key in logs and lists, never
 * to decide by. */
COMITY_API void comity_public_key_fingerprint(const comity_public_key *key,
                                              char fingerprint[COMITY_FINGERPRINT_BYTES]);
/** Whether both are the same key; names don't count. */
COMITY_API bool comity_public_key_equal(const comity_public_key *a, const comity_public_key *b);
/** Whether `text` is meant as a key's line and not as a path. */
COMITY_API bool comity_key_is_line(const char *text);
/** Read a key's line.
 *  \param[in] where  what errors begin with, such as "job.yaml:12:5"
 *  \return COMITY_ERR_CONFIG when it is none, or no point of Ed25519's group that could belong to somebody */
COMITY_API COMITY_MUST_CHECK comity_status comity_public_key_parse(const char *where, const char *line,
                                                                   comity_public_key *key);
/** Read a key from what a setting or an option gives: its line, or the path of a file with that line (blank lines and those
 *  that begin with '#' don't count). Errors about the file name it and the line.
 *  \param[in] where  as in comity_public_key_parse */
COMITY_API COMITY_MUST_CHECK comity_status comity_public_key_read(const char *where, const char *text,
                                                                  comity_public_key *key);

/* ------------------------------------------------------------------------------------------------ key pairs */

/** A key pair. Its secret half is wiped when it is destroyed and appears in no message. */
typedef struct comity_identity comity_identity;

/** A new key pair from the system's random numbers.
 *  \param[in] name  ASCII letters, digits and . _ @ + -, at most 63; may be ""
 *  \return COMITY_ERR_ARG for other names */
COMITY_API COMITY_MUST_CHECK comity_status comity_identity_new(const char *name, comity_identity **identity);
/** Read the secret key's file. Refuses, with COMITY_ERR_PERMISSION, one that anybody but its owner may use. */
COMITY_API COMITY_MUST_CHECK comity_status comity_identity_read(const char *path, comity_identity **identity);
/** Write the secret key to `path`, with mode 0600, and the public key's line to `path`.pub.
 *  \param[in] force  replace files that are there; else they are refused with COMITY_ERR_USAGE and stay as they are */
COMITY_API COMITY_MUST_CHECK comity_status comity_identity_write(const comity_identity *identity,
                                                                 const char *path, bool force);
/** Borrowed until destroy. */
COMITY_API const comity_public_key *comity_identity_public(const comity_identity *identity);
COMITY_API void comity_identity_destroy(comity_identity **identity);

/* -------------------------------------------------------------------------------------------------- session */

enum {
  COMITY_SEAL_BYTES = 24, /* by how much a sealed message is longer: its number and the seal */
};

/** What two sides share after a handshake: a key and a count of messages for each direction. */
typedef struct comity_session comity_session;

/** Encrypt and authenticate a small message for the other side (ChaCha20-Poly1305, RFC 8439; the nonce is the message's number
 *  in this direction).
 *  \param[in]  message  (count)
 *  \param[out] sealed   (count + COMITY_SEAL_BYTES), apart from message */
COMITY_API COMITY_MUST_CHECK comity_status comity_session_seal(comity_session *session, const void *message,
                                                               size_t count, uint8_t *sealed);
/** The message in what the other side sealed. Numbers may be left out, because messages get lost with an epoch, but each is taken
 *  once and in order. A message that is refused changes nothing: the next genuine one is taken.
 *  \param[in]  sealed   (count)
 *  \param[out] message  (count - COMITY_SEAL_BYTES), apart from sealed; worth nothing when refused
 *  \return COMITY_ERR_REFUSED when somebody else sealed or changed it, or when it or a later one was opened before */
COMITY_API COMITY_MUST_CHECK comity_status comity_session_open(comity_session *session, const uint8_t *sealed,
                                                               size_t count, void *message);
/** The key that the other side proved to own. Its name is the one in this side's configuration. Borrowed until destroy. */
COMITY_API const comity_public_key *comity_session_peer(const comity_session *session);
COMITY_API void comity_session_destroy(comity_session **session);

/* ------------------------------------------------------------------------------------------------ handshake */

enum {
  COMITY_HELLO_BYTES = 104,    /* head 8, public key 32, nonce 32, X25519 32 */
  COMITY_ANSWER_BYTES = 168,   /* the same and a signature, 64 */
  COMITY_PROOF_BYTES = 72,     /* head 8, signature 64 */
  COMITY_VERDICT_BYTES = 40,   /* head 8, sealed: yes or no 4, number of the silo 4 */
  COMITY_HANDSHAKE_BYTES = 168 /* the longest of them */
};

/** One side's half of a handshake that is under way. Good for one handshake: after a failure only destroy is left, and a function
 * that is called out of turn returns COMITY_ERR_ARG. Secrets are wiped as soon as they are used up. */
typedef struct comity_handshake comity_handshake;

/** Silo, first step.
 *  \param[in]  self    borrowed until destroy
 *  \param[in]  server  the key that the server has to own
 *  \param[in]  job     which job this is about: both sides must name the same; NULL or "" = any
 *  \param[out] hello   to be sent
 *  \param[out] handshake  owned by caller */
COMITY_API COMITY_MUST_CHECK comity_status comity_handshake_hello(const comity_identity *self,
                                                                  const comity_public_key *server,
                                                                  const char *job,
                                                                  uint8_t hello[COMITY_HELLO_BYTES],
                                                                  comity_handshake **handshake);
/** Server, first step. Says nothing yet about who may join.
 *  \param[in]  self    borrowed until destroy
 *  \param[in]  job     as in comity_handshake_hello
 *  \param[in]  hello   (count) foreign bytes
 *  \param[out] answer  to be sent
 *  \param[out] handshake  owned by caller
 *  \return COMITY_ERR_REFUSED when the bytes are no hello of this version: nothing is to be sent then, only disconnected */
COMITY_API COMITY_MUST_CHECK comity_status comity_handshake_answer(const comity_identity *self,
                                                                   const char *job, const uint8_t *hello,
                                                                   size_t count,
                                                                   uint8_t answer[COMITY_ANSWER_BYTES],
                                                                   comity_handshake **handshake);
/** Silo, second step.
 *  \param[in]  answer  (count) foreign bytes
 *  \param[out] proof   to be sent
 *  \return COMITY_ERR_REFUSED when this is not the server that the silo was told to trust, or not its answer to this hello */
COMITY_API COMITY_MUST_CHECK comity_status comity_handshake_proof(comity_handshake *handshake,
                                                                  const uint8_t *answer, size_t count,
                                                                  uint8_t proof[COMITY_PROOF_BYTES]);
/** Server, second step.
 *  \param[in]  proof     (count) foreign bytes
 *  \param[in]  allowed   (keys) the silos that may join, silo 0 first
 *  \param[out] verdict   to be sent in any case, when this fails with COMITY_ERR_REFUSED too
 *  \param[out] silo      index in `allowed`
 *  \param[out] session   owned by caller
 *  \return COMITY_ERR_REFUSED when the silo does not own the key that it claims, or the key is not on the list; the message says
 *  which, with what would have to be added to silos.keys. Then there is no session */
COMITY_API COMITY_MUST_CHECK comity_status comity_handshake_verdict(
    comity_handshake *handshake, const uint8_t *proof, size_t count, const comity_public_key *allowed,
    size_t keys, uint8_t verdict[COMITY_VERDICT_BYTES], size_t *silo, comity_session **session);
/** Silo, last step.
 *  \param[in]  verdict  (count) foreign bytes
 *  \param[out] silo     index of this silo in the server's list
 *  \param[out] session  owned by caller
 *  \return COMITY_ERR_REFUSED when the server does not let this silo join; the message says whom to send which line */
COMITY_API COMITY_MUST_CHECK comity_status comity_handshake_welcome(comity_handshake *handshake,
                                                                    const uint8_t *verdict, size_t count,
                                                                    size_t *silo, comity_session **session);
COMITY_API void comity_handshake_destroy(comity_handshake **handshake);

#ifdef __cplusplus
}
#endif
#endif
