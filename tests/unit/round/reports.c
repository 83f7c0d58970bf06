/* What ranks report of training: it comes together on the server, and a report that lies about its length is refused. */
#include "test.h"

#include "round/round_impl.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERS = 10, HEAD = 24, DONE = 2 };
static const uint32_t cohort[MEMBERS] = {7, 31, 32, 33, 34, 35, 36, 37, 38, 39};
static const int last_dealt[MEMBERS] = {1, 2, 1, 2, 1, 2, 1, 2, 1, -1};

/* Loss, share, number of absences, who is done, and one absence. */
static size_t report(uint64_t absences, uint16_t done, uint64_t client, uint8_t *bytes) {
  const uint64_t head[] = {3, 4, absences};
  comity_absence absence = {.client = client, .rank = 9, .status = COMITY_ERR_DATA, .name = "ward"};
  memset(absence.reason, 'x', sizeof absence.reason); /* no end: another process may forget it */
  memcpy(bytes, head, HEAD);
  memcpy(bytes + HEAD, &done, DONE);
  memcpy(bytes + HEAD + DONE, &absence, sizeof absence);
  return HEAD + DONE + sizeof absence;
}

static comity_status merge_blaming(const uint8_t *bytes, size_t first, size_t second, comity_report *all,
                                   int *rank) {
  size_t offset[] = {0, 0, first, first + second};
  uint8_t *exact = malloc(first + second + 1); /* so that a sanitizer sees a step too far */
  assert_non_null(exact);
  memcpy(exact, bytes, first + second);
  comity_gathered gathered = {.count = 3, .offset = offset, .bytes = exact};
  comity_dealt dealt = {cohort, last_dealt};
  comity_status status = comity_report_merge(&gathered, &dealt, MEMBERS, all, rank);
  free(exact);
  return status;
}

static comity_status merge(const uint8_t *bytes, size_t first, size_t second, comity_report *all) {
  int rank;
  comity_status status = merge_blaming(bytes, first, second, all, &rank);
  if (status != COMITY_OK)
    assert_int_equal(rank, second > 0 ? 2 : 1);
  return status;
}

static void reports_come_together(void **state) {
  (void)state;
  uint8_t bytes[2000];
  comity_report all = {0};
  size_t first = report(1, 0x005, 7, bytes), second = report(1, 0x202, 39, bytes + first);
  assert_int_equal(merge(bytes, first, second, &all), COMITY_OK);
  assert_true(all.loss == 6 && all.share == 8 && all.absences == 2);
  assert_true(all.absent[0].client == 7 && all.absent[0].rank == 1);
  assert_true(all.absent[1].client == 39 && all.absent[1].rank == 2);
  assert_string_equal(all.absent[1].name, "ward");
  assert_int_equal(strlen(all.absent[1].reason), sizeof all.absent[1].reason - 1);
  for (size_t member = 0; member < MEMBERS; member++)
    assert_int_equal(comity_report_is_done(&all, member), (0x207 >> member & 1) != 0);
  comity_report_clear(&all);
}

static void a_report_that_is_cut_anywhere_is_refused(void **state) {
  (void)state;
  uint8_t bytes[1000];
  size_t length = report(1, 1, 7, bytes);
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
    size_t length = report(wrong[i], 1, 7, bytes);
    assert_int_equal(merge(bytes, length, 0, &all), COMITY_ERR_INTERNAL);
    assert_non_null(strstr(comity_error_message(), "entries, but ends after 1"));
    comity_report_clear(&all);
  }
}

/* Whoever was not dealt the client is at fault; where the server does not know, who comes later. */
static void nobody_is_trained_twice(void **state) {
  (void)state;
  for (int member = 0; member < MEMBERS; member++) {
    uint8_t bytes[2000];
    uint16_t both = (uint16_t)(1U << member);
    comity_report all = {0};
    int rank;
    size_t first = report(0, both, 7, bytes) - sizeof(comity_absence);
    size_t second = report(0, both, 7, bytes + first) - sizeof(comity_absence);
    assert_int_equal(merge_blaming(bytes, first, second, &all, &rank), COMITY_ERR_INTERNAL);
    assert_non_null(strstr(comity_error_message(), "two ranks trained the same client"));
    assert_int_equal(rank, last_dealt[member] == 2 ? 1 : 2);
    comity_report_clear(&all);
  }
}

static void nobody_is_absent_who_was_not_to_be_trained(void **state) {
  (void)state;
  static const struct {
    uint64_t client;
    uint16_t done;
    const char *says;
  } wrong[] = {{7, 0, "1 absences among 0 clients"},
               {7, 0x400, "1 absences among 0 clients"},
               {7, 2, "client 7 is said to be absent"},
               {8, 1, "client 8 is said to be absent"},
               {UINT64_MAX, 0x3FF, "is said to be absent"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    uint8_t bytes[1000];
    comity_report all = {0};
    size_t length = report(1, wrong[i].done, wrong[i].client, bytes);
    assert_int_equal(merge(bytes, length, 0, &all), COMITY_ERR_INTERNAL);
    assert_non_null(strstr(comity_error_message(), wrong[i].says));
    comity_report_clear(&all);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reports_come_together),
    cmocka_unit_test(a_report_that_is_cut_anywhere_is_refused),
    cmocka_unit_test(a_number_of_absences_is_not_believed),
    cmocka_unit_test(nobody_is_trained_twice),
    cmocka_unit_test(nobody_is_absent_who_was_not_to_be_trained),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
