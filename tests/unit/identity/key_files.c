/* Key files: what is written can be read, secrets are open to nobody else, and mistakes are named by file and line. */
#include "test.h"

#include "identity/identity_impl.h"

#include "core/core_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* RFC 8032, section 7.1, tests 1 and 2: secret (the seed) and public key. */
#define SECRET_1 "comity-ed25519-secret nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A= one"
#define PUBLIC_1 "comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= one"
#define SECRET_2 "comity-ed25519-secret TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs= two"
#define PUBLIC_2 "comity-ed25519 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= two"

static int in_new_folder(void **state) {
  static char folder[32];
  strcpy(folder, "/tmp/comity-keys-XXXXXX");
  *state = folder;
  return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int folder_gone(void **state) { return chdir("/") != 0 || comity_folder_remove(*state) != COMITY_OK; }

static void put(const char *path, const char *text, mode_t mode) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, mode), 0);
}

static mode_t mode_of(const char *path) {
  struct stat about;
  assert_int_equal(stat(path, &about), 0);
  return about.st_mode & 07777;
}

static char *contents(const char *path) {
  char *text;
  size_t length;
  assert_int_equal(comity_file_read(path, &text, &length), COMITY_OK);
  return text;
}

static void assert_message(const char *part) {
  if (strstr(comity_error_message(), part) == NULL)
    fail_msg("'%s' is not in: %s", part, comity_error_message());
}

static void known_secrets_have_their_public_keys(void **state) {
  (void)state;
  static const char *const pairs[][2] = {{SECRET_1, PUBLIC_1}, {SECRET_2, PUBLIC_2}};
  for (int i = 0; i < 2; i++) {
    comity_identity *identity;
    char line[COMITY_KEY_LINE_BYTES];
    put("secret", pairs[i][0], 0600);
    assert_int_equal(comity_identity_read("secret", &identity), COMITY_OK);
    comity_public_key_line(comity_identity_public(identity), line);
    assert_string_equal(line, pairs[i][1]);
    comity_identity_destroy(&identity);
  }
}

static void what_is_written_can_be_read(void **state) {
  (void)state;
  comity_identity *identity, *again;
  comity_public_key key;
  umask(0);
  assert_int_equal(comity_identity_new("st-mary", &identity), COMITY_OK);
  assert_int_equal(comity_identity_write(identity, "key", false), COMITY_OK);
  assert_int_equal(mode_of("key"), 0600);
  assert_int_equal(mode_of("key.pub"), 0644);
  assert_int_equal(comity_identity_read("key", &again), COMITY_OK);
  assert_memory_equal(again->secret, identity->secret, sizeof again->secret);
  assert_string_equal(comity_identity_public(again)->name, "st-mary");
  assert_int_equal(comity_public_key_read("test", "key.pub", &key), COMITY_OK);
  assert_true(comity_public_key_equal(&key, comity_identity_public(identity)));
  comity_identity_destroy(&identity);
  comity_identity_destroy(&again);
}

static void two_key_pairs_differ(void **state) {
  (void)state;
  comity_identity *one, *other;
  assert_int_equal(comity_identity_new("", &one), COMITY_OK);
  assert_int_equal(comity_identity_new("", &other), COMITY_OK);
  assert_false(comity_public_key_equal(comity_identity_public(one), comity_identity_public(other)));
  comity_identity_destroy(&one);
  comity_identity_destroy(&other);
}

static void files_that_are_there_stay_unless_forced(void **state) {
  (void)state;
  comity_identity *identity;
  assert_int_equal(comity_identity_new("new", &identity), COMITY_OK);
  put("old", "kept", 0644);
  assert_int_equal(comity_identity_write(identity, "old", false), COMITY_ERR_USAGE);
  assert_message("old: exists already");
  assert_int_not_equal(access("old.pub", F_OK), 0);
  put("half.pub", "kept", 0644);
  assert_int_equal(comity_identity_write(identity, "half", false), COMITY_ERR_USAGE);
  assert_message("half.pub: exists already");
  assert_int_not_equal(access("half", F_OK), 0);
  char *kept = contents("old"), *kept_too = contents("half.pub");
  assert_string_equal(kept, "kept");
  assert_string_equal(kept_too, "kept");
  comity_free(kept);
  comity_free(kept_too);

  put("old.part", "left over", 0644);
  assert_int_equal(comity_identity_write(identity, "old", true), COMITY_OK);
  assert_int_equal(mode_of("old"), 0600);
  assert_int_not_equal(access("old.part", F_OK), 0);
  comity_identity *read;
  assert_int_equal(comity_identity_read("old", &read), COMITY_OK);
  comity_identity_destroy(&read);
  assert_int_equal(comity_identity_write(identity, "nowhere/key", true), COMITY_ERR_NOT_FOUND);
  assert_int_equal(comity_identity_write(identity, "nowhere/key", false), COMITY_ERR_NOT_FOUND);
  comity_identity_destroy(&identity);
}

static void secrets_that_others_may_use_are_refused(void **state) {
  (void)state;
  comity_identity *identity;
  for (mode_t bit = 01; bit <= 040; bit <<= 1) {
    put("open", SECRET_1, 0600 | bit);
    assert_int_equal(comity_identity_read("open", &identity), COMITY_ERR_PERMISSION);
    assert_message("open: others than its owner may use this secret key");
    assert_message("chmod 600 open");
  }
  put("open", SECRET_1, 0400);
  assert_int_equal(comity_identity_read("open", &identity), COMITY_OK);
  comity_identity_destroy(&identity);
}

static void what_is_no_key_file_is_refused(void **state) {
  (void)state;
  comity_identity *identity;
  comity_public_key key;
  assert_int_equal(comity_identity_read("none", &identity), COMITY_ERR_NOT_FOUND);
  assert_message("none: cannot open the key file");
  assert_int_equal(comity_identity_read(".", &identity), COMITY_ERR_CONFIG);
  assert_int_equal(mkfifo("pipe", 0600), 0);
  assert_int_equal(comity_identity_read("pipe", &identity), COMITY_ERR_CONFIG);
  assert_message("pipe: not a key file");
  char long_text[COMITY_KEY_FILE_BYTES_MAX + 2];
  memset(long_text, '#', sizeof long_text);
  long_text[sizeof long_text - 1] = '\0';
  put("long", long_text, 0600);
  assert_int_equal(comity_identity_read("long", &identity), COMITY_ERR_CONFIG);
  assert_message("long: too long for a key file");
  put("public", PUBLIC_1 "\n", 0600);
  assert_int_equal(comity_identity_read("public", &identity), COMITY_ERR_CONFIG);
  assert_message("public:1: this is a public key, but the secret one");
  put("secret", "\n" SECRET_1 "\n", 0600);
  assert_int_equal(comity_public_key_read("job.yaml:3:1", "secret", &key), COMITY_ERR_CONFIG);
  assert_message("job.yaml:3:1: secret:2: this is a secret key");
  assert_null(strstr(comity_error_message(), "nWGxne"));
}

static void errors_name_file_and_line(void **state) {
  (void)state;
  static const struct {
    const char *text, *message;
  } bad[] = {
      {"", "f:1: no key up to here"},
      {"\n# only a comment\n", "f:2: no key up to here"},
      {"# comment\n\n" PUBLIC_1 "\n" PUBLIC_2 "\n", "f:4: a key file holds one key, and line 3 has it"},
      {"#\n#\nno key\n", "f:3: a public key is a line of the form"},
      {PUBLIC_1 " and more\n", "f:1: a public key is a line"},
  };
  comity_public_key key;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(comity_key_file_public("f", bad[i].text, strlen(bad[i].text), &key), COMITY_ERR_CONFIG);
    assert_message(bad[i].message);
  }
  static const char nul[] = "#\ncomity\0ed25519 x\n";
  assert_int_equal(comity_key_file_public("f", nul, sizeof nul - 1, &key), COMITY_ERR_CONFIG);
  assert_message("f:2: not text");
}

static void lines_of_other_systems_are_read(void **state) {
  (void)state;
  comity_public_key key;
  static const char crlf[] = "# comment\r\n\r\n" PUBLIC_1 "\r\n";
  assert_int_equal(comity_key_file_public("f", crlf, sizeof crlf - 1, &key), COMITY_OK);
  assert_string_equal(key.name, "one");
  assert_int_equal(comity_key_file_public("f", PUBLIC_2, sizeof PUBLIC_2 - 1, &key), COMITY_OK);
  assert_string_equal(key.name, "two");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_secrets_have_their_public_keys),
      cmocka_unit_test(what_is_written_can_be_read),
      cmocka_unit_test(two_key_pairs_differ),
      cmocka_unit_test(files_that_are_there_stay_unless_forced),
      cmocka_unit_test(secrets_that_others_may_use_are_refused),
      cmocka_unit_test(what_is_no_key_file_is_refused),
      cmocka_unit_test(errors_name_file_and_line),
      cmocka_unit_test(lines_of_other_systems_are_read),
  };
  return cmocka_run_group_tests(tests, in_new_folder, folder_gone);
}
