/* Edit distance for "did you mean". */
#include "test.h"

#include "core/core_impl.h"

#include <string.h>

static const char *const colours[] = {"red", "green", "blue", "yellow", "yelling"};

static void slips_of_the_finger_find_their_word(void **state) {
  (void)state;
  const struct {
    const char *word, *nearest;
  } cases[] = {{"red", "red"},        {"rde", "red"},      {"gren", "green"}, {"greeen", "green"},
               {"GREEN", "green"},    {"blu", "blue"},     {"bleu", "blue"},  {"yellwo", "yellow"},
               {"yeling", "yelling"}, {"xellow", "yellow"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_string_equal(comity_nearest(cases[i].word, colours, 5), cases[i].nearest);
}

static void swapped_neighbours_count_once(void **state) {
  (void)state;
  const char *const words[] = {"abxy", "abdc"}; /* from abcd: two substitutions, one swap */
  assert_string_equal(comity_nearest("abcd", words, 2), "abdc");
}

static void nothing_is_nearest_to_no_candidates_and_long_words_are_fine(void **state) {
  (void)state;
  assert_null(comity_nearest("red", NULL, 0));
  char word[5000];
  memset(word, 'b', sizeof word - 1);
  word[sizeof word - 1] = '\0';
  assert_non_null(comity_nearest(word, colours, 5));
  assert_string_equal(comity_nearest("", colours, 5), "red");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slips_of_the_finger_find_their_word),
      cmocka_unit_test(swapped_neighbours_count_once),
      cmocka_unit_test(nothing_is_nearest_to_no_candidates_and_long_words_are_fine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
