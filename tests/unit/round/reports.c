/* What ranks report of training: it comes together on the server, and a report that lies about its length is refused. */
#include "test.h"

#include "round/round_impl.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 10, HEAD = 24, DONE = 2 };

/* Loss, share, number of absences, who is done, and one absence. */
static size_t report(uint64_t absences, uint16_t done, uint8_t *bytes) {
  const uint64_t head[] = {3, 4, absences};
  comity_absence absence = {.client = 7, .rank = 2, .status = COMITY_ERR_DATA, .name = "ward"};
  memset(absence.reason, 'x', sizeof absence.reason); /* no end: another process may forget it */
  memcpy(bytes, head, HEAD);
  memcpy(bytes + HEAD, &done, DONE);
  memcpy(bytes + HEAD + DONE, &absence, sizeof absence);
  return HEAD + DONE + sizeof absence;
}

static comity_status merge(const uint8_t *bytes, size_t first, size_t second, comity_report *all) {
  size_t offset[] = {0, 0, first, first + second};
  uint8_t *exact = malloc(first + second + 1); /* so that a sanitizer sees a step too far */
  assert_non_null(exact);
  memcpy(exact, bytes, first + second);
  comity_gathered gathered = {.count = 3, .offset = offset, .bytes = exact};
  int rank;
  comity_status status = comity_report_merge(&gathered, MEMBERS, all, &rank);
  if (status != COMITY_OK)
    assert_int_equal(rank, second > 0 ? 2 : 1); /* who comes later is at fault */
  free(exact);
  return status;
}

static void reports_come_together(void **state) {
  (void)state;
  uint8_t bytes[2000];
  comity_report all = {0};
  size_t first = report(1, 0x005, bytes), second = report(1, 0x202, bytes + first);
  assert_int_equal(merge(bytes, first, second, &all), COMITY_OK);
  assert_true(all.loss == 6 && all.share == 8 && all.absences == 2);
  assert_string_equal(all.absent[1].name, "ward");
  assert_int_equal(strlen(all.absent[1].reason), sizeof all.absent[1].reason - 1);
  for (size_t member = 0; member < MEMBERS; member++)
    assert_int_equal(comity_report_is_done(&all, member), (0x207 >> member & 1) != 0);
  comity_report_clear(&all);
}

static void a_report_that_is_cut_anywhere_is_refused(void **state) {
  (void)state;
  uint8_t bytes[1000];
  size_t length = report(1, 1, bytes);
  for (size_t cut = 1; cut < length; cut++) { /* nothing at all is somebody absent */
    comity_report all = {0};
    assert_int_equal(merge(bytes, cut, 0, &all), COMITY_ERR_INTERNAL);
    comity_report_clear(&all);
  }
}

static void a_number_of_absences_is_not_believed(void **state) {
  (void)state;
  uint8_t bytes[1000];
  const uint64_t size = sizeof(comity_absence),
                 wrong[] = {2, 1 << 20, UINT64_MAX / size + 1, UINT64_MAX - 1, UINT64_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    comity_report all = {0};
    size_t length = report(wrong[i], 1, bytes);
    assert_int_equal(merge(bytes, length, 0, &all), COMITY_ERR_INTERNAL);
    assert_non_null(strstr(comity_error_message(), "entries, but ends after 1"));
    comity_report_clear(&all);
  }
}

static void nobody_is_trained_twice(void **state) {
  (void)state;
  uint8_t bytes[2000];
  comity_report all = {0};
  size_t first = report(1, 0x005, bytes), second = report(1, 0x004, bytes + first);
  assert_int_equal(merge(bytes, first, second, &all), COMITY_ERR_INTERNAL);
  assert_non_null(strstr(comity_error_message(), "two ranks trained the same client"));
  comity_report_clear(&all);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reports_come_together),
    cmocka_unit_test(a_report_that_is_cut_anywhere_is_refused),
    cmocka_unit_test(a_number_of_absences_is_not_believed),
    cmocka_unit_test(nobody_is_trained_twice),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
