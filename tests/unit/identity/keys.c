/* Public keys as lines of text: known ones read, everything else refused with its place and without repeating it. */
#include "test.h"

#include "identity/identity_impl.h"

#include <string.h>

/* RFC 8032, section 7.1, test 1: the public key. */
static const char rfc_hex[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
static const char rfc_line[] = "comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= rfc";

static void a_line_holds_the_key_and_its_name(void **state) {
  (void)state;
  comity_public_key key;
  char line[COMITY_KEY_LINE_BYTES], hex[65];
  assert_int_equal(comity_public_key_parse("test", rfc_line, &key), COMITY_OK);
  sodium_bin2hex(hex, sizeof hex, key.bytes, sizeof key.bytes);
  assert_string_equal(hex, rfc_hex);
  assert_string_equal(key.name, "rfc");
  comity_public_key_line(&key, line);
  assert_string_equal(line, rfc_line);
  assert_int_equal(
      comity_public_key_parse("test", "comity-ed25519\t 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= ", &key),
      COMITY_OK);
  assert_string_equal(key.name, "");
  comity_public_key_line(&key, line);
  assert_string_equal(line, "comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}

/* echo d75a...511a | xxd -r -p | b2sum -l 256 */
static void a_fingerprint_is_short_blake2b(void **state) {
  (void)state;
  comity_public_key key;
  char fingerprint[COMITY_FINGERPRINT_BYTES];
  assert_int_equal(comity_public_key_parse("test", rfc_line, &key), COMITY_OK);
  comity_public_key_fingerprint(&key, fingerprint);
  assert_string_equal(fingerprint, "7849-ac30-4968-0be1");
}

static void the_longest_name_fits(void **state) {
  (void)state;
  comity_identity *identity;
  char name[COMITY_KEY_NAME_BYTES + 1], line[COMITY_KEY_LINE_BYTES];
  memset(name, 'n', sizeof name);
  name[COMITY_KEY_NAME_BYTES] = '\0';
  assert_int_equal(comity_identity_new(name, &identity), COMITY_ERR_ARG);
  name[COMITY_KEY_NAME_BYTES - 1] = '\0';
  assert_int_equal(comity_identity_new(name, &identity), COMITY_OK);
  comity_public_key_line(comity_identity_public(identity), line);
  comity_public_key read;
  assert_int_equal(comity_public_key_parse("test", line, &read), COMITY_OK);
  assert_string_equal(read.name, name);
  assert_true(comity_public_key_equal(&read, comity_identity_public(identity)));
  comity_identity_destroy(&identity);
  assert_null(identity);
  comity_identity_destroy(&identity);
}

static void only_letters_that_do_no_harm_may_be_in_names(void **state) {
  (void)state;
  for (int letter = 1; letter < 256; letter++) {
    const char name[] = {(char)letter, '\0'};
    bool harmless =
        strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-", letter) != NULL;
    assert_int_equal(comity_key_name_good(name), harmless);
  }
}

#define SECRET "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="

static void what_is_no_key_is_refused(void **state) {
  (void)state;
  static const struct {
    const char *line, *message;
  } bad[] = {
      {"", "a public key is a line of the form"},
      {"comity-ed25519", "a public key is a line of the form"},
      {"ssh-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= x", "a public key is a line of the form"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= a b",
       "a public key is a line of the form"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo name", "32 bytes in base64"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUR== name", "32 bytes in base64"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURp= name", "32 bytes in base64"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURoA name", "32 bytes in base64"},
      {"comity-ed25519 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo= name", "32 bytes in base64"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= na\"me", "the key's name may hold"},
      {"comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= "
       "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
       "more than 63 letters"},
      /* the neutral element, a point of order 8 and an encoding that is not canonical */
      {"comity-ed25519 AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= name", "nobody's Ed25519 key"},
      {"comity-ed25519 xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o= name", "nobody's Ed25519 key"},
      {"comity-ed25519 7v///////////////////////////////////////38= name", "nobody's Ed25519 key"},
      {"comity-ed25519-secret " SECRET " name", "this is a secret key"},
  };
  comity_public_key key = {.name = "as before"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(comity_public_key_parse("job.yaml:7:3", bad[i].line, &key), COMITY_ERR_CONFIG);
    if (strstr(comity_error_message(), bad[i].message) == NULL)
      fail_msg("'%s' is refused by: %s", bad[i].line, comity_error_message());
    assert_ptr_equal(strstr(comity_error_message(), "job.yaml:7:3: "), comity_error_message());
    assert_null(strstr(comity_error_message(), SECRET));
    assert_string_equal(key.name, "as before");
  }
}

static void lines_are_told_from_paths(void **state) {
  (void)state;
  assert_true(comity_key_is_line(rfc_line));
  assert_true(comity_key_is_line("comity-ed25519-secret " SECRET));
  assert_false(comity_key_is_line("comity-ed25519.pub"));
  assert_false(comity_key_is_line("keys/comity-ed25519 x"));
  assert_false(comity_key_is_line(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_holds_the_key_and_its_name),
      cmocka_unit_test(a_fingerprint_is_short_blake2b),
      cmocka_unit_test(the_longest_name_fits),
      cmocka_unit_test(only_letters_that_do_no_harm_may_be_in_names),
      cmocka_unit_test(what_is_no_key_is_refused),
      cmocka_unit_test(lines_are_told_from_paths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
