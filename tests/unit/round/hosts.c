/* Who stands in for whom when participants are absent. */
#include "test.h"

#include "round/federation_impl.h"

#include <string.h>

enum { SLOTS = 7, TURNS = 600, WORKS = 90 };

static comity_hosts hosts_of(unsigned here) {
  comity_hosts hosts;
  assert_int_equal(comity_hosts_new(SLOTS, &hosts), COMITY_OK);
  hosts.present = 0;
  for (int slot = 0; slot < SLOTS; slot++) {
    hosts.here[slot] = here >> slot & 1U;
    hosts.present += hosts.here[slot];
  }
  return hosts;
}

static void whoever_is_here_has_its_own(void **state) {
  (void)state;
  comity_hosts hosts = hosts_of(0x55);
  for (int slot = 0; slot < SLOTS; slot += 2)
    for (uint64_t turn = 0; turn < TURNS; turn++)
      assert_int_equal(comity_hosts_find(&hosts, slot, turn), slot);
  comity_hosts_clear(&hosts);
}

static void nobody_stands_in_when_nobody_is_here(void **state) {
  (void)state;
  comity_hosts hosts = hosts_of(0);
  assert_int_equal(comity_hosts_find(&hosts, 3, 5), 3);
  comity_hosts_clear(&hosts);
}

static void one_who_is_left_has_everything(void **state) {
  (void)state;
  for (int left = 0; left < SLOTS; left++) {
    comity_hosts hosts = hosts_of(1U << left);
    for (int slot = 0; slot < SLOTS; slot++)
      for (uint64_t turn = 0; turn < TURNS; turn++)
        assert_int_equal(comity_hosts_find(&hosts, slot, turn), left);
    comity_hosts_clear(&hosts);
  }
}

static void when_one_leaves_nothing_moves_but_what_it_had(void **state) {
  (void)state;
  for (unsigned here = 1; here < 1U << SLOTS; here++)
    for (int leaves = 0; leaves < SLOTS; leaves++) {
      if ((here >> leaves & 1U) == 0 || here == 1U << leaves)
        continue;
      comity_hosts before = hosts_of(here), after = hosts_of(here & ~(1U << leaves));
      for (int slot = 0; slot < SLOTS; slot++)
        for (uint64_t turn = 0; turn < 40; turn++) {
          int had = comity_hosts_find(&before, slot, turn), has = comity_hosts_find(&after, slot, turn);
          assert_true(before.here[had] && after.here[has]);
          assert_true(had == leaves ? has != leaves : has == had);
        }
      comity_hosts_clear(&before);
      comity_hosts_clear(&after);
    }
}

static void what_one_had_is_dealt_evenly(void **state) {
  (void)state;
  size_t got[SLOTS] = {0};
  comity_hosts hosts = hosts_of(0x7F & ~(1U << 2));
  for (uint64_t turn = 0; turn < TURNS; turn++)
    got[comity_hosts_find(&hosts, 2, turn)]++;
  for (int slot = 0; slot < SLOTS; slot++)
    assert_int_equal(got[slot], slot == 2 ? 0 : TURNS / (SLOTS - 1));
  comity_hosts_clear(&hosts);
}

static void what_several_had_goes_to_all_who_are_left(void **state) {
  (void)state;
  size_t got[SLOTS] = {0}, all = 0;
  comity_hosts hosts = hosts_of(0x0B);
  for (int slot = 0; slot < SLOTS; slot++)
    for (uint64_t turn = 0; turn < TURNS; turn++)
      got[comity_hosts_find(&hosts, slot, turn)]++;
  for (int slot = 0; slot < SLOTS; slot++) {
    all += got[slot];
    if (hosts.here[slot]) /* a third each, give and take chance */
      assert_in_range(got[slot], SLOTS * TURNS * 28 / 100, SLOTS * TURNS * 39 / 100);
    else
      assert_int_equal(got[slot], 0);
  }
  assert_int_equal(all, SLOTS * TURNS);
  comity_hosts_clear(&hosts);
}

static void a_cohort_stays_where_it_is_when_others_leave(void **state) {
  (void)state;
  uint64_t work[WORKS], load[SLOTS] = {0}, most = 0, least = UINT64_MAX, heaviest = 0;
  int before[WORKS], after[WORKS], both[WORKS];
  for (size_t i = 0; i < WORKS; i++) {
    work[i] = 1 + i * 37 % 50;
    heaviest = work[i] > heaviest ? work[i] : heaviest;
  }
  comity_hosts all = hosts_of(0x7F), some = hosts_of(0x7F & ~(1U << 4)), few = hosts_of(0x7F & ~(3U << 4));
  assert_int_equal(comity_hosts_deal(&all, work, WORKS, before), COMITY_OK);
  assert_int_equal(comity_hosts_deal(&some, work, WORKS, after), COMITY_OK);
  assert_int_equal(comity_hosts_deal(&few, work, WORKS, both), COMITY_OK);
  for (size_t i = 0; i < WORKS; i++) {
    assert_true(before[i] == 4 ? after[i] != 4 : after[i] == before[i]);
    assert_true(after[i] == 5 ? both[i] != 5 && both[i] != 4 : both[i] == after[i]);
    load[after[i]] += work[i];
  }
  for (int slot = 0; slot < SLOTS; slot++)
    if (slot != 4) {
      most = load[slot] > most ? load[slot] : most;
      least = load[slot] < least ? load[slot] : least;
    }
  assert_true(least > 0 && most <= least + 2 * heaviest);
  comity_hosts_clear(&all);
  comity_hosts_clear(&some);
  comity_hosts_clear(&few);
}

/* One value too many of both splits together, because loading one may read the other. */
static void a_load_takes_long_when_all_of_a_client_is_much(void **state) {
  (void)state;
  uint64_t train[] = {1 << 18, 1 << 17, 1 << 18, 0}, test[] = {0, 1 << 17, 1, (1 << 18) + 1};
  comity_federation federation = {.info = {.width = 4}, .examples = {train, test}};
  for (size_t client = 0; client < 4; client++)
    assert_int_equal(comity_federation_takes_long(&federation, client), client >= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whoever_is_here_has_its_own),
      cmocka_unit_test(nobody_stands_in_when_nobody_is_here),
      cmocka_unit_test(one_who_is_left_has_everything),
      cmocka_unit_test(when_one_leaves_nothing_moves_but_what_it_had),
      cmocka_unit_test(what_one_had_is_dealt_evenly),
      cmocka_unit_test(what_several_had_goes_to_all_who_are_left),
      cmocka_unit_test(a_cohort_stays_where_it_is_when_others_leave),
      cmocka_unit_test(a_load_takes_long_when_all_of_a_client_is_much),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
