/* What the files of this folder share: secrets, how they are read, and how sessions begin. */
#ifndef COMITY_IDENTITY_IMPL_H
#define COMITY_IDENTITY_IMPL_H

#include <comity/identity.h>

#include <sodium.h>

struct comity_identity {
  comity_public_key key;
  uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* as libsodium keeps it: seed, public key */
};

/* Get libsodium ready; any number of times, from any thread. */
COMITY_MUST_CHECK comity_status comity_sodium_ready(void);
/* Whether a name may stand in a key's line. */
bool comity_key_name_good(const char *name);

/* The bytes (public key, or seed of a secret one) and the name in a key's line; "" when it has no name. `bytes` may be written
 * on failure. */
COMITY_MUST_CHECK comity_status comity_key_line_read(const char *where, bool secret, const char *line,
                                                     uint8_t bytes[COMITY_PUBLIC_KEY_BYTES],
                                                     char name[COMITY_KEY_NAME_BYTES]);
/* The public key in the text of a .pub file; errors name `path` and the line. */
COMITY_MUST_CHECK comity_status comity_key_file_public(const char *path, const char *text, size_t length,
                                                       comity_public_key *key);
/* The key pair in the text of a secret key's file. */
COMITY_MUST_CHECK comity_status comity_key_file_secret(const char *path, const char *text, size_t length,
                                                       comity_identity **identity);
/* Read the file at `path`, which must be a plain one of at most COMITY_KEY_FILE_BYTES_MAX bytes; a `secret` one may be open to
 * its owner alone. */
COMITY_MUST_CHECK comity_status comity_key_file_load(const char *path, bool secret,
                                                     char text[COMITY_KEY_FILE_BYTES_MAX + 1],
                                                     size_t *length);

/* A session over the keys that crypto_kx gave, each mixed with the digest of the transcript. */
COMITY_MUST_CHECK comity_status comity_session_new(const uint8_t receive[crypto_kx_SESSIONKEYBYTES],
                                                   const uint8_t send[crypto_kx_SESSIONKEYBYTES],
                                                   const uint8_t transcript[COMITY_HASH_BYTES],
                                                   const comity_public_key *peer, comity_session **session);

#endif
