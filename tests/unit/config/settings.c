/* The table of settings: each declaration keeps its own rules. */
#include "test.h"

#include <comity/config.h>

#include <math.h>
#include <string.h>

static void keys_are_unique_and_groups_stand_together(void **state) {
  (void)state;
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  assert_true(count > 50);
  for (size_t i = 0; i < count; i++) {
    assert_ptr_equal(comity_setting_find(settings[i].key), &settings[i]);
    size_t length = strcspn(settings[i].key, ".");
    bool left = false;
    for (size_t j = i + 1; j < count; j++) {
      bool same =
          strcspn(settings[j].key, ".") == length && strncmp(settings[j].key, settings[i].key, length) == 0;
      assert_false(left && same);
      left = left || !same;
    }
  }
}

static void declarations_are_complete(void **state) {
  (void)state;
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  for (size_t i = 0; i < count; i++) {
    bool number = settings[i].type == COMITY_SETTING_INTEGER || settings[i].type == COMITY_SETTING_REAL;
    assert_non_null(settings[i].unit);
    assert_true(strlen(settings[i].help) > 10);
    assert_int_equal(settings[i].help[strlen(settings[i].help) - 1], '.');
    assert_true(settings[i].minimum < settings[i].maximum);
    assert_true(number || (isinf(settings[i].minimum) && isinf(settings[i].maximum)));
    assert_int_equal(settings[i].choices != NULL, settings[i].type == COMITY_SETTING_CHOICE);
  }
}

/* What the table says is what a fresh job holds, and it may be given in a job as well: bounds included. */
static void every_default_may_be_given(void **state) {
  (void)state;
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  for (size_t i = 0; i < count; i++) {
    assert_string_equal(comity_config_origin(config, settings[i].key), "default");
    char *yaml = comity_text("%s: %s\n", settings[i].key, settings[i].default_value);
    assert_int_equal(comity_config_parse(config, "job.yaml", yaml, strlen(yaml)), COMITY_OK);
    assert_string_equal(comity_config_origin(config, settings[i].key), "job.yaml:1:1");
    assert_false(comity_config_given(config, settings[i].key));
    comity_free(yaml);
  }
  comity_config_destroy(&config);
}

static void every_bound_holds(void **state) {
  (void)state;
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  for (size_t i = 0; i < count; i++) {
    if (isinf(settings[i].minimum))
      continue;
    const double numbers[] = {settings[i].minimum, settings[i].maximum, settings[i].minimum - 1,
                              settings[i].maximum * 2};
    for (int n = 0; n < 4; n++) {
      char *assignment = comity_text("%s=%.17g", settings[i].key, numbers[n]);
      comity_status expected = n < 2 ? COMITY_OK : COMITY_ERR_CONFIG;
      assert_int_equal(comity_config_override(config, assignment), expected);
      if (n >= 2)
        assert_non_null(strstr(comity_error_message(), "must lie between"));
      comity_free(assignment);
    }
    char *assignment = comity_text("%s=.nan", settings[i].key);
    assert_int_equal(comity_config_override(config, assignment), COMITY_ERR_CONFIG);
    comity_free(assignment);
  }
  comity_config_destroy(&config);
}

static void every_choice_may_be_chosen(void **state) {
  (void)state;
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  comity_config *config;
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  for (size_t i = 0; i < count; i++)
    for (const char *word = settings[i].choices; word != NULL && *word != '\0';) {
      int length = (int)strcspn(word, "|");
      char *chosen = comity_text("%.*s", length, word),
           *assignment = comity_text("%s=%s", settings[i].key, chosen);
      assert_int_equal(comity_config_override(config, assignment), COMITY_OK);
      assert_string_equal(comity_config_text(config, settings[i].key), chosen);
      comity_free(assignment);
      comity_free(chosen);
      word += length + (word[length] == '|');
    }
  comity_config_destroy(&config);
}

static void nearest_key_is_what_was_meant(void **state) {
  (void)state;
  assert_string_equal(comity_setting_nearest("server.round"), "server.rounds");
  assert_string_equal(comity_setting_nearest("sever.rounds"), "server.rounds");
  assert_string_equal(comity_setting_nearest("rounds"), "server.rounds");
  assert_string_equal(comity_setting_nearest("optimizer.learning_rate"), "train.learning_rate");
  assert_string_equal(comity_setting_nearest("sede"), "seed");
  assert_null(comity_setting_find("server"));
  assert_null(comity_setting_find(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_unique_and_groups_stand_together),
      cmocka_unit_test(declarations_are_complete),
      cmocka_unit_test(every_default_may_be_given),
      cmocka_unit_test(every_bound_holds),
      cmocka_unit_test(every_choice_may_be_chosen),
      cmocka_unit_test(nearest_key_is_what_was_meant),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
