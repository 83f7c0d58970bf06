/* Lists of public keys in a job: lines and files, mixed, with the place of what is wrong. */
#include "test.h"

#include "core/core_impl.h"
#include <comity/config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RFC 8032, section 7.1, tests 1 and 2. */
#define ONE "comity-ed25519 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= one"
#define TWO "comity-ed25519 PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw= two"

static int in_new_folder(void **state) {
  static char folder[32];
  strcpy(folder, "/tmp/comity-keys-XXXXXX");
  *state = folder;
  return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int folder_gone(void **state) { return chdir("/") != 0 || comity_folder_remove(*state) != COMITY_OK; }

static void put(const char *path, const char *text) {
  assert_int_equal(comity_file_write(path, text, strlen(text)), COMITY_OK);
}

static comity_config *job(const char *yaml) {
  comity_config *config;
  put("job.yaml", yaml);
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  assert_int_equal(comity_config_load(config, "job.yaml"), COMITY_OK);
  return config;
}

static void lines_and_files_may_be_mixed(void **state) {
  put("two.pub", TWO "\n");
  comity_config *config = job("silos: {keys: [" ONE ", two.pub], server_key: keys/server}");
  comity_public_key *keys;
  size_t count;
  assert_int_equal(comity_config_public_keys(config, "silos.keys", &keys, &count), COMITY_OK);
  assert_int_equal(count, 2);
  assert_string_equal(keys[0].name, "one");
  assert_string_equal(keys[1].name, "two");
  comity_free(keys);
  /* Files are named from the job's folder on, keys are not names of files. */
  assert_string_equal(comity_config_text_at(config, "silos.keys", 0), ONE);
  char *absolute = comity_text("%s/two.pub", (const char *)*state);
  assert_string_equal(comity_config_text_at(config, "silos.keys", 1), absolute);
  comity_free(absolute);
  absolute = comity_text("%s/keys/server", (const char *)*state);
  assert_string_equal(comity_config_text(config, "silos.server_key"), absolute);
  comity_free(absolute);
  comity_config_destroy(&config);
}

static void an_empty_list_has_no_keys(void **state) {
  (void)state;
  comity_config *config = job("seed: 1");
  comity_public_key *keys;
  size_t count = 7;
  assert_int_equal(comity_config_public_keys(config, "silos.keys", &keys, &count), COMITY_OK);
  assert_int_equal(count, 0);
  comity_free(keys);
  comity_config_destroy(&config);
}

static void mistakes_are_named_by_their_place(void **state) {
  (void)state;
  static const struct {
    const char *yaml, *message;
  } bad[] = {
      {"silos.keys: [" ONE ", one.pub]", "job.yaml:1:79: 'silos.keys' lists key"},
      {"silos.keys: [none.pub]", "job.yaml:1:14: "},
      {"silos.keys: [torn.pub]", "torn.pub:2: a public key is a line of the form"},
  };
  put("one.pub", ONE);
  put("torn.pub", "\nno key\n");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    comity_config *config = job(bad[i].yaml);
    comity_public_key *keys = NULL;
    size_t count = 7;
    assert_int_not_equal(comity_config_public_keys(config, "silos.keys", &keys, &count), COMITY_OK);
    if (strstr(comity_error_message(), bad[i].message) == NULL)
      fail_msg("'%s' is not in: %s", bad[i].message, comity_error_message());
    assert_null(keys);
    assert_int_equal(count, 7);
    comity_config_destroy(&config);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_and_files_may_be_mixed),
      cmocka_unit_test(an_empty_list_has_no_keys),
      cmocka_unit_test(mistakes_are_named_by_their_place),
  };
  return cmocka_run_group_tests(tests, in_new_folder, folder_gone);
}
