/* Who stands where: ranks are slots that stay, places count those who are present, and tags tell epochs apart. */
#include "comm/comm_impl.h"

#include "test.h"

#include <string.h>

enum { SLOTS = 6, SEQUENCES = 4096 };

typedef struct slots {
  comity_members members;
  bool present[SLOTS], linked[SLOTS];
  int list[SLOTS];
} slots;

/* '.' absent, 'L' present and linked, 's' present and single. */
static void set(slots *s, int rank, const char *who) {
  *s = (slots){.members = {.rank = rank, .size = SLOTS, .epochs = 4}};
  s->members.present = s->present;
  s->members.linked = s->linked;
  s->members.list = s->list;
  for (int i = 0; i < SLOTS; i++) {
    s->present[i] = who[i] != '.';
    s->linked[i] = who[i] == 'L';
  }
  comity_members_order(&s->members);
}

static void assert_list(const slots *s, const int *expected, int count) {
  assert_int_equal(s->members.count, count);
  for (int i = 0; i < count; i++)
    assert_int_equal(s->list[i], expected[i]);
}

static void places_are_ranks_while_all_are_there(void **state) {
  (void)state;
  slots s;
  for (int rank = 0; rank < SLOTS; rank++) {
    set(&s, rank, "LLLLLL");
    assert_list(&s, (int[]){0, 1, 2, 3, 4, 5}, SLOTS);
    assert_int_equal(s.members.place, rank);
    assert_int_equal(s.members.links, SLOTS);
  }
}

static void the_absent_have_no_place(void **state) {
  (void)state;
  slots s;
  set(&s, 4, "L.L.LL");
  assert_list(&s, (int[]){0, 2, 4, 5}, 4);
  assert_int_equal(s.members.place, 2);
  set(&s, 3, "L.L.LL");
  assert_int_equal(s.members.place, -1);
}

static void those_whom_only_the_server_reaches_stand_behind_the_others(void **state) {
  (void)state;
  slots s;
  set(&s, 1, "LsL.sL");
  assert_list(&s, (int[]){0, 2, 5, 1, 4}, 5);
  assert_int_equal(s.members.links, 3);
  assert_int_equal(s.members.place, 3);
}

static void all_ranks_make_the_same_list(void **state) {
  (void)state;
  slots s, other;
  set(&s, 0, "Ls.LsL");
  for (int rank = 1; rank < SLOTS; rank++) {
    set(&other, rank, "Ls.LsL");
    assert_list(&other, s.list, s.members.count);
    if (other.members.place >= 0)
      assert_int_equal(other.list[other.members.place], rank);
  }
}

static void tags_tell_operations_and_the_last_epochs_apart(void **state) {
  (void)state;
  static bool seen[1 + 4 * SEQUENCES + 1];
  slots s;
  set(&s, 0, "LLLLLL");
  memset(seen, 0, sizeof seen);
  for (s.members.epoch = 1000; s.members.epoch < 1004; s.members.epoch++)
    for (uint64_t sequence = 0; sequence < SEQUENCES; sequence++) {
      int tag = comity_members_tag(&s.members, sequence);
      assert_true(tag > COMITY_TAG_NOTICE && tag < 1 << 15); /* which any MPI has */
      assert_false(seen[tag]);
      seen[tag] = true;
    }
  s.members.epoch = 1000;
  int first = comity_members_tag(&s.members, 7);
  s.members.epoch = 1004;
  assert_int_equal(comity_members_tag(&s.members, 7), first); /* again: seals say more */
  assert_int_equal(comity_members_tag(&s.members, 7 + SEQUENCES), first);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(places_are_ranks_while_all_are_there),
    cmocka_unit_test(the_absent_have_no_place),
    cmocka_unit_test(those_whom_only_the_server_reaches_stand_behind_the_others),
    cmocka_unit_test(all_ranks_make_the_same_list),
    cmocka_unit_test(tags_tell_operations_and_the_last_epochs_apart),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
