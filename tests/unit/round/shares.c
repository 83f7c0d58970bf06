/* Who evaluates which part of the central test set. */
#include "test.h"

#include "round/round_impl.h"

enum { RANKS = 6 };

static comity_central central_of(size_t examples, unsigned readers, bool reads[RANKS]) {
  for (int rank = 0; rank < RANKS; rank++)
    reads[rank] = readers >> rank & 1U;
  return (comity_central){.found = true, .examples = examples, .reads = reads};
}

/* Whoever is present and can read it: in the order of ranks, without gaps, in whole blocks, evenly. */
static void expect_whole(size_t examples, size_t block, unsigned readers, unsigned members) {
  bool reads[RANKS], present[RANKS];
  comity_central central = central_of(examples, readers, reads);
  size_t next = 0, most = 0, least = SIZE_MAX;
  for (int rank = 0; rank < RANKS; rank++)
    present[rank] = members >> rank & 1U;
  for (int rank = 0; rank < RANKS; rank++) {
    size_t first, last;
    comity_central_share(&central, present, RANKS, rank, block, &first, &last);
    if ((readers & members & 1U << rank) == 0) {
      assert_int_equal(first, last);
      continue;
    }
    assert_int_equal(first, next);
    assert_true(last == examples || last % block == 0);
    size_t blocks = (last - first + block - 1) / block;
    most = blocks > most ? blocks : most;
    least = blocks < least ? blocks : least;
    next = last;
  }
  assert_int_equal(next, examples);
  assert_true(most - least <= 1);
}

static void every_example_is_evaluated_once_whoever_is_left(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 7, 20, 21, 1000}, blocks[] = {1, 7, 250};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t j = 0; j < sizeof blocks / sizeof *blocks; j++)
      for (unsigned readers = 1; readers < 1U << RANKS; readers += 2)   /* the server always can, */
        for (unsigned members = 1; members < 1U << RANKS; members += 2) /* and always is */
          expect_whole(sizes[i], blocks[j], readers, members);
}

static void the_server_does_all_when_nobody_else_can(void **state) {
  (void)state;
  bool reads[RANKS], present[RANKS] = {true, true, false, true, true, true};
  comity_central central = central_of(100, 1U | 1U << 2, reads);
  size_t first, last;
  comity_central_share(&central, present, RANKS, 0, 30, &first, &last);
  assert_int_equal(first, 0);
  assert_int_equal(last, 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_example_is_evaluated_once_whoever_is_left),
      cmocka_unit_test(the_server_does_all_when_nobody_else_can),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
