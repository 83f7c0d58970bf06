/* Bundles: what members tell the server comes apart as it was put together, and bytes that somebody else made are looked at
 * first. */
#include "silent_comm.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static silent_comm silent;

/* Three of four are here, and rank 3 is reached by the server alone where `apart` is set. */
static comity_members *without_rank_2(bool apart) {
  comity_members *members = &silent_comm_open(&silent, 4, apart)->members;
  members->present[2] = false;
  comity_members_order(members);
  return members;
}

static void add(const comity_bundle *from, comity_bundle *to) {
  memcpy(to->bytes + to->length, from->bytes, from->length);
  to->length += from->length;
}

/* What this rank would send up. */
static comity_bundle entry_of(int rank, comity_status status, const char *data) {
  comity_members self = {.rank = rank};
  comity_bundle made = {0};
  if (status != COMITY_OK)
    comity_fail(status, "trouble of %d", rank);
  assert_int_equal(comity_bundle_begin(&self, status, data, strlen(data), 1000, &made), COMITY_OK);
  return made;
}

/* Of ranks 1 and 3. */
static comity_bundle two_entries(comity_status third) {
  comity_bundle made = entry_of(1, COMITY_OK, "one"), other = entry_of(3, third, "three");
  add(&other, &made);
  comity_free(other.bytes);
  return made;
}

static void what_was_put_together_comes_apart(void **state) {
  (void)state;
  for (int apart = 0; apart < 2; apart++) {
    comity_members *members = without_rank_2(apart != 0);
    comity_bundle all = entry_of(0, COMITY_OK, "zero"), others = two_entries(COMITY_OK);
    assert_true(comity_bundle_is_sound(members, 1, 3, others.bytes, others.length));
    add(&others, &all);
    comity_gathered gathered = {0};
    assert_int_equal(comity_bundle_unpack(members, &all, &gathered), COMITY_OK);
    const size_t offset[] = {0, 4, 7, 7, 12};
    assert_int_equal(gathered.count, 4);
    assert_memory_equal(gathered.offset, offset, sizeof offset);
    assert_memory_equal(gathered.bytes, "zeroonethree", 12);
    comity_gathered_clear(&gathered);
    comity_free(all.bytes);
    comity_free(others.bytes);
  }
}

static void the_most_severe_failure_is_told_with_its_rank(void **state) {
  (void)state;
  comity_members *members = without_rank_2(false);
  comity_bundle all = entry_of(0, COMITY_ERR_DATA, ""), others = two_entries(COMITY_ERR_FULL);
  comity_gathered gathered = {0};
  add(&others, &all);
  comity_error_clear();
  assert_int_equal(comity_bundle_unpack(members, &all, &gathered), COMITY_ERR_FULL);
  assert_string_equal(comity_error_message(), "rank 3: trouble of 3");
  comity_gathered_clear(&gathered);
  comity_free(all.bytes);
  comity_free(others.bytes);
}

static void a_bundle_that_is_cut_anywhere_but_between_entries_is_none(void **state) {
  (void)state;
  comity_members *members = without_rank_2(false);
  comity_bundle first = entry_of(1, COMITY_OK, "one"), both = two_entries(COMITY_ERR_DATA);
  for (size_t length = 0; length <= both.length; length++) {
    uint8_t *exact = malloc(length + 1); /* so that a sanitizer sees a step too far */
    assert_non_null(exact);
    memcpy(exact, both.bytes, length);
    assert_true(comity_bundle_is_sound(members, 1, 3, exact, length) ==
                (length == first.length || length == both.length));
    free(exact);
  }
  comity_free(first.bytes);
  comity_free(both.bytes);
}

static void entries_of_others_or_in_another_order_are_none(void **state) {
  (void)state;
  comity_members *members = without_rank_2(false);
  static const int wrong[][2] = {{3, 1}, {1, 1}, {0, 1}, {1, 2}, {1, 4}, {-1, 1}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    comity_bundle made = entry_of(wrong[i][0], COMITY_OK, "x"), other = entry_of(wrong[i][1], COMITY_OK, "y");
    add(&other, &made);
    assert_false(comity_bundle_is_sound(members, 1, 3, made.bytes, made.length));
    comity_free(made.bytes);
    comity_free(other.bytes);
  }
  comity_bundle both = two_entries(COMITY_OK);
  assert_false(comity_bundle_is_sound(members, 1, 2, both.bytes, both.length)); /* not behind that child */
  assert_false(comity_bundle_is_sound(members, 2, 3, both.bytes, both.length));
  comity_free(both.bytes);
}

static void lengths_are_not_believed(void **state) {
  (void)state;
  comity_members *members = without_rank_2(false);
  static const uint64_t lengths[] = {1, 4, 1000, INT64_MAX, UINT64_MAX - 31, UINT64_MAX};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    for (size_t field = 2; field < 4; field++) { /* of the text, of the data */
      comity_bundle made = entry_of(1, COMITY_OK, "");
      memcpy(made.bytes + field * sizeof(uint64_t), &lengths[i], sizeof *lengths);
      assert_false(comity_bundle_is_sound(members, 1, 3, made.bytes, made.length));
      comity_free(made.bytes);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_was_put_together_comes_apart),
    cmocka_unit_test(the_most_severe_failure_is_told_with_its_rank),
    cmocka_unit_test(a_bundle_that_is_cut_anywhere_but_between_entries_is_none),
    cmocka_unit_test(entries_of_others_or_in_another_order_are_none),
    cmocka_unit_test(lengths_are_not_believed),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
