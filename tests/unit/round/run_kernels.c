/* The warning that ranks compute with different kernels. */
#include "test.h"

#include "round/run_impl.h"

#include <string.h>

enum { RANKS = 12, NOTICE = 8 + COMITY_KERNELS_TEXT };

/* What the server would gather from so many ranks; those of the bit mask `other` have other kernels. */
static comity_status tell(size_t ranks, unsigned other, char **text) {
  static uint8_t bytes[RANKS * NOTICE];
  static size_t offset[RANKS + 1];
  memset(bytes, 0, sizeof bytes);
  for (size_t rank = 0; rank < ranks; rank++) {
    uint64_t fingerprint = other >> rank & 1U ? 7 : 5;
    memcpy(bytes + rank * NOTICE, &fingerprint, sizeof fingerprint);
    strcpy((char *)bytes + rank * NOTICE + 8, fingerprint == 7 ? "native avx2" : "native avx512");
    offset[rank + 1] = (rank + 1) * NOTICE;
  }
  return comity_run_tell_kernels(&(comity_gathered){.count = ranks, .offset = offset, .bytes = bytes}, text);
}

static void equal_kernels_are_nothing_to_tell(void **state) {
  (void)state;
  char *text = NULL;
  for (size_t ranks = 1; ranks <= RANKS; ranks++) {
    assert_int_equal(tell(ranks, 0, &text), COMITY_OK);
    assert_null(text);
  }
}

static void ranks_with_other_kernels_are_named(void **state) {
  (void)state;
  char *text = NULL;
  assert_int_equal(tell(4, 1U << 2, &text), COMITY_OK);
  assert_non_null(text);
  assert_non_null(strstr(text, "1 of 4 ranks"));
  assert_non_null(strstr(text, "rank 0, which has native avx512"));
  assert_non_null(strstr(text, "rank 2 has native avx2"));
  assert_null(strstr(text, "rank 1 has"));
  assert_null(strstr(text, "rank 3 has"));
  comity_free(text);
}

static void a_long_list_is_cut(void **state) {
  (void)state;
  char *text = NULL;
  assert_int_equal(tell(RANKS, 0xFFEU, &text), COMITY_OK);
  assert_non_null(text);
  assert_non_null(strstr(text, "11 of 12 ranks"));
  assert_non_null(strstr(text, "rank 8 has"));
  assert_null(strstr(text, "rank 9 has"));
  assert_non_null(strstr(text, "..."));
  comity_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_kernels_are_nothing_to_tell),
      cmocka_unit_test(ranks_with_other_kernels_are_named),
      cmocka_unit_test(a_long_list_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
