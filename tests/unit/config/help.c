/* comity help answers for every setting, group and exit code, in lines of at most 80 columns. */
#include "test.h"

#include "app/app_impl.h"

#include <comity/algorithm.h>
#include <comity/config.h>

#include <stdlib.h>
#include <string.h>

/* What the verb prints for one argument (NULL = none); owned by the caller, from malloc. */
static char *help(const char *argument, int expected, bool complaint) {
  char *text[2] = {NULL, NULL};
  size_t length[2];
  FILE *out = open_memstream(&text[0], &length[0]), *err = open_memstream(&text[1], &length[1]);
  assert_non_null(out);
  assert_non_null(err);
  char *word = comity_text("%s", argument != NULL ? argument : ""), *arguments[] = {word, NULL};
  assert_int_equal(comity_app_help(argument != NULL ? 1 : 0, arguments, out, err), expected);
  fclose(out);
  fclose(err);
  comity_free(word);
  free(text[!complaint]);
  return text[complaint];
}

static void assert_narrow(const char *text) {
  while (*text != '\0') {
    size_t length = strcspn(text, "\n");
    if (length > 80)
      fail_msg("%zu columns: %.*s", length, (int)length, text);
    text += length + (text[length] == '\n');
  }
}

static void every_setting_is_explained(void **state) {
  (void)state;
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  for (size_t i = 0; i < count; i++) {
    char *text = help(settings[i].key, 0, false), word[32];
    assert_narrow(text);
    assert_int_equal(strncmp(text, settings[i].key, strlen(settings[i].key)), 0);
    sscanf(settings[i].help, "%31s", word);
    assert_non_null(strstr(text, word));
    assert_non_null(strstr(text, "\n  default         "));
    assert_non_null(strstr(text, settings[i].may_change ? "may be another value" : "must be the value"));
    assert_true(settings[i].unit[0] == '\0' || strstr(text, "\n  unit            ") != NULL);
    assert_int_equal(strstr(text, "\n  choices ") != NULL, settings[i].choices != NULL);
    free(text);
  }
}

static void bounds_and_choices_are_told(void **state) {
  (void)state;
  char *text = help("data.holdout", 0, false);
  assert_non_null(strstr(text, "bounds          from 0 to 0.9"));
  free(text);
  text = help("run.log_level", 0, false);
  assert_non_null(strstr(text, "choices         error, warn, info, debug"));
  free(text);
}

static void help_alone_lists_all_settings(void **state) {
  (void)state;
  char *text = help(NULL, 0, false);
  size_t count;
  const comity_setting *settings = comity_setting_list(&count);
  for (size_t i = 0; i < count; i++)
    assert_non_null(strstr(text, settings[i].key));
  assert_narrow(text);
  assert_non_null(strstr(text, "comity train JOB"));
  free(text);
}

static void a_group_lists_its_own_settings_alone(void **state) {
  (void)state;
  char *text = help("server", 0, false);
  assert_non_null(strstr(text, "server.rounds = 10 rounds\n    Stop after this round.\n"));
  assert_null(strstr(text, "\ntrain."));
  assert_narrow(text);
  free(text);
}

static void algorithms_are_listed_with_their_papers(void **state) {
  (void)state;
  char *text = help("algorithm.name", 0, false);
  size_t count;
  const comity_algorithm *const *algorithms = comity_algorithm_list(&count);
  assert_true(count > 0);
  for (size_t i = 0; i < count; i++) {
    char *begin = comity_text("\n  %s ", algorithms[i]->name);
    assert_non_null(strstr(text, begin));
    comity_free(begin);
  }
  assert_non_null(strstr(text, "McMahan"));
  assert_non_null(strstr(text, "algorithm.mu\n"));
  assert_narrow(text);
  free(text);
}

static void exit_codes_are_listed(void **state) {
  (void)state;
  char *text = help("exit-codes", 0, false);
  assert_non_null(strstr(text, "\n   75  stopped on request"));
  assert_non_null(strstr(text, "\n   64  the command line is wrong"));
  assert_narrow(text);
  free(text);
}

static void unknown_words_get_the_nearest_one(void **state) {
  (void)state;
  char *text = help("server.round", 64, true);
  assert_string_equal(
      text, "comity: error: unknown setting 'server.round'; did you mean 'server.rounds'? 'comity help' "
            "lists all\n");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_setting_is_explained),
      cmocka_unit_test(bounds_and_choices_are_told),
      cmocka_unit_test(help_alone_lists_all_settings),
      cmocka_unit_test(a_group_lists_its_own_settings_alone),
      cmocka_unit_test(algorithms_are_listed_with_their_papers),
      cmocka_unit_test(exit_codes_are_listed),
      cmocka_unit_test(unknown_words_get_the_nearest_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
