/* The public keys in a list of texts: each a key's line or the path of a file with one. */
#include <comity/config.h>

#include <comity/identity.h>

static comity_status read_keys(const comity_config *config, const char *name, size_t count,
                               comity_public_key *keys) {
  for (size_t i = 0; i < count; i++) {
    COMITY_TRY(comity_public_key_read(comity_config_item_origin(config, name, i),
                                      comity_config_text_at(config, name, i), &keys[i]));
    for (size_t j = 0; j < i; j++)
      if (comity_public_key_equal(&keys[i], &keys[j])) {
        char fingerprint[COMITY_FINGERPRINT_BYTES];
        comity_public_key_fingerprint(&keys[i], fingerprint);
        return comity_fail(
            COMITY_ERR_CONFIG,
            "%s: '%s' lists key %s as number %zu and as number %zu; each silo has a key of its own",
            comity_config_item_origin(config, name, i), name, fingerprint, j + 1, i + 1);
      }
  }
  return COMITY_OK;
}

comity_status comity_config_public_keys(const comity_config *config, const char *key,
                                        comity_public_key **keys, size_t *count) {
  comity_public_key *read = NULL;
  size_t length = comity_config_length(config, key);
  COMITY_TRY(COMITY_NEW(read, length));
  comity_status status = read_keys(config, key, length, read);
  if (status != COMITY_OK) {
    comity_free(read);
    return status;
  }
  *keys = read;
  *count = length;
  return COMITY_OK;
}
