/* BLAKE2b-256 from libsodium. */
#include <comity/core.h>

#include <sodium.h>

struct comity_hash {
  crypto_generichash_state state; /* libsodium wants 64-byte alignment, which comity_array gives */
};

comity_status comity_hash_new(comity_hash **hash) {
  comity_hash *made = NULL;
  COMITY_REQUIRE(sodium_init() >= 0, COMITY_ERR_INTERNAL, "libsodium cannot be initialised");
  COMITY_TRY(COMITY_NEW(made, 1));
  crypto_generichash_init(&made->state, NULL, 0, COMITY_HASH_BYTES);
  *hash = made;
  return COMITY_OK;
}

void comity_hash_add(comity_hash *hash, const void *bytes, size_t count) {
  if (count > 0)
    crypto_generichash_update(&hash->state, bytes, count);
}

void comity_hash_finish(comity_hash *hash, uint8_t digest[COMITY_HASH_BYTES]) {
  crypto_generichash_final(&hash->state, digest, COMITY_HASH_BYTES);
}

void comity_hash_destroy(comity_hash **hash) {
  if (hash == NULL)
    return;
  comity_free(*hash);
  *hash = NULL;
}

comity_status comity_hash_bytes(const void *bytes, size_t count, uint8_t digest[COMITY_HASH_BYTES]) {
  comity_hash *hash = NULL;
  COMITY_TRY(comity_hash_new(&hash));
  comity_hash_add(hash, bytes, count);
  comity_hash_finish(hash, digest);
  comity_hash_destroy(&hash);
  return COMITY_OK;
}

void comity_hash_hex(const uint8_t digest[COMITY_HASH_BYTES], char hex[2 * COMITY_HASH_BYTES + 1]) {
  sodium_bin2hex(hex, 2 * COMITY_HASH_BYTES + 1, digest, COMITY_HASH_BYTES);
}
