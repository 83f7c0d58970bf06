/* Public keys as people see them: one line of text, and a fingerprint. The line of a secret key differs in its first word
 * alone, so one function reads both. Nothing here repeats what it was given in a message: it could be a secret. */
#include "identity_impl.h"

#include "core/core_impl.h"

#include <string.h>

static const char public_label[] = "comity-ed25519", secret_label[] = "comity-ed25519-secret";
static const char blanks[] = " \t";
/* So that a line needs no quotes in YAML and does no harm in a log. */
static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-";

enum {
  FINGERPRINT_DIGITS = 16,
  BASE64_BYTES = sodium_base64_ENCODED_LEN(COMITY_PUBLIC_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL)
};
_Static_assert(sizeof public_label + BASE64_BYTES + COMITY_KEY_NAME_BYTES <= COMITY_KEY_LINE_BYTES,
               "a key's line has no room");

comity_status comity_sodium_ready(void) {
  COMITY_REQUIRE(sodium_init() >= 0, COMITY_ERR_INTERNAL, "libsodium cannot be initialised");
  return COMITY_OK;
}

bool comity_key_name_good(const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < length; i++)
    if (strchr(name_letters, name[i]) == NULL)
      return false;
  return length < COMITY_KEY_NAME_BYTES;
}

void comity_public_key_line(const comity_public_key *key, char line[COMITY_KEY_LINE_BYTES]) {
  char base64[BASE64_BYTES];
  sodium_bin2base64(base64, sizeof base64, key->bytes, sizeof key->bytes, sodium_base64_VARIANT_ORIGINAL);
  snprintf(line, COMITY_KEY_LINE_BYTES, "%s %s%s%s", public_label, base64, key->name[0] == '\0' ? "" : " ",
           key->name);
}

void comity_public_key_fingerprint(const comity_public_key *key, char fingerprint[COMITY_FINGERPRINT_BYTES]) {
  uint8_t digest[COMITY_HASH_BYTES];
  char hex[2 * COMITY_HASH_BYTES + 1], *at = fingerprint;
  crypto_generichash(digest, sizeof digest, key->bytes, sizeof key->bytes, NULL, 0);
  comity_hash_hex(digest, hex);
  for (int i = 0; i < FINGERPRINT_DIGITS; i++) {
    if (i > 0 && i % 4 == 0)
      *at++ = '-';
    *at++ = hex[i];
  }
  *at = '\0';
}

bool comity_public_key_equal(const comity_public_key *a, const comity_public_key *b) {
  return sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool comity_key_is_line(const char *text) {
  return strncmp(text, public_label, strlen(public_label)) == 0 && strpbrk(text, blanks) != NULL;
}

/* The next word of *rest; its length is 0 at the end. */
static const char *next_word(const char **rest, size_t *length) {
  const char *word = *rest + strspn(*rest, blanks);
  *length = strcspn(word, blanks);
  *rest = word + *length;
  return word;
}

static bool is_word(const char *word, size_t length, const char *expected) {
  return length == strlen(expected) && strncmp(word, expected, length) == 0;
}

comity_status comity_key_line_read(const char *where, bool secret, const char *line,
                                   uint8_t bytes[COMITY_PUBLIC_KEY_BYTES], char name[COMITY_KEY_NAME_BYTES]) {
  const char *rest = line, *end;
  size_t label_length, key_length, name_length, more_length, read = 0;
  const char *label = next_word(&rest, &label_length), *key = next_word(&rest, &key_length);
  const char *called = next_word(&rest, &name_length);
  (void)next_word(&rest, &more_length);
  if (!secret && is_word(label, label_length, secret_label))
    return comity_fail(
        COMITY_ERR_CONFIG,
        "%s: this is a secret key, which nobody but its owner may have: here belongs the public one, from the "
        "file that ends in .pub. If others saw the secret one, make a new pair with 'comity keygen'",
        where);
  if (secret && is_word(label, label_length, public_label))
    return comity_fail(COMITY_ERR_CONFIG, "%s: this is a public key, but the secret one is needed here",
                       where);
  COMITY_REQUIRE(is_word(label, label_length, secret ? secret_label : public_label) && key_length > 0 &&
                     more_length == 0,
                 COMITY_ERR_CONFIG,
                 "%s: a %s key is a line of the form '%s BASE64 NAME'; 'comity keygen' makes them", where,
                 secret ? "secret" : "public", secret ? secret_label : public_label);
  COMITY_REQUIRE(sodium_base642bin(bytes, COMITY_PUBLIC_KEY_BYTES, key, key_length, NULL, &read, &end,
                                   sodium_base64_VARIANT_ORIGINAL) == 0 &&
                     end == key + key_length && read == COMITY_PUBLIC_KEY_BYTES,
                 COMITY_ERR_CONFIG,
                 "%s: the second word of a key's line must be %d bytes in base64 (%d letters)", where,
                 COMITY_PUBLIC_KEY_BYTES, BASE64_BYTES - 1);
  char copy[COMITY_KEY_NAME_BYTES] = "";
  COMITY_REQUIRE(name_length < sizeof copy, COMITY_ERR_CONFIG, "%s: the key's name has more than %d letters",
                 where, COMITY_KEY_NAME_BYTES - 1);
  memcpy(copy, called, name_length);
  COMITY_REQUIRE(comity_key_name_good(copy), COMITY_ERR_CONFIG,
                 "%s: the key's name may hold letters, digits and . _ @ + - only", where);
  memcpy(name, copy, sizeof copy);
  return COMITY_OK;
}

comity_status comity_public_key_parse(const char *where, const char *line, comity_public_key *key) {
  comity_public_key read;
  COMITY_TRY(comity_sodium_ready());
  COMITY_TRY(comity_key_line_read(where, false, line, read.bytes, read.name));
  COMITY_REQUIRE(crypto_core_ed25519_is_valid_point(read.bytes), COMITY_ERR_CONFIG,
                 "%s: these bytes are nobody's Ed25519 key; copy the line again from its .pub file", where);
  *key = read;
  return COMITY_OK;
}
