/* What every partition scheme promises. */
#include "test.h"

#include <comity/data.h>

#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 10, CLASSES = 10, EXAMPLES = 1500 };

static uint32_t labels[EXAMPLES];

static comity_partition_options options_for(const comity_partitioner *p, uint64_t seed) {
  return (comity_partition_options){.scheme = p->name,
                                    .clients = CLIENTS,
                                    .seed = seed,
                                    .shards_per_client = 2,
                                    .classes_per_client = 2,
                                    .alpha = 0.7,
                                    .minimum = 3};
}

static void deal(const comity_partitioner *p, uint64_t seed, uint32_t *owner) {
  comity_partition_options options = options_for(p, seed);
  for (size_t i = 0; i < EXAMPLES; i++)
    labels[i] = (uint32_t)(i * 7 % 11 % CLASSES);
  memset(owner, 0xEE, EXAMPLES * sizeof *owner);
  assert_int_equal(p->deal(&options, labels, CLASSES, EXAMPLES, owner), COMITY_OK);
}

#define FOR_EACH_SCHEME(p)                                                                                   \
  size_t schemes;                                                                                            \
  const comity_partitioner *const *list = comity_partitioner_list(&schemes), *p;                             \
  for (size_t s_ = 0; s_ < schemes && (p = list[s_]) != NULL; s_++)

static void names_are_unique_and_sources_are_given(void **state) {
  (void)state;
  FOR_EACH_SCHEME(p) {
    assert_true(p->source != NULL && p->source[0] != '\0');
    for (size_t other = 0; other < s_; other++)
      assert_string_not_equal(p->name, list[other]->name);
  }
  assert_int_equal(schemes, 8);
}

static void every_example_gets_one_client_and_every_client_an_example(void **state) {
  (void)state;
  FOR_EACH_SCHEME(p) {
    uint32_t owner[EXAMPLES];
    size_t sizes[CLIENTS] = {0}, dealt = 0;
    deal(p, 1, owner);
    for (size_t i = 0; i < EXAMPLES; i++) {
      if (p->partial && owner[i] == COMITY_PARTITION_NOBODY)
        continue;
      assert_in_range(owner[i], 0, CLIENTS - 1);
      sizes[owner[i]]++;
      dealt++;
    }
    for (size_t k = 0; k < CLIENTS; k++)
      assert_true(sizes[k] >= 3);
    assert_true(dealt >= EXAMPLES * 9 / 10);
  }
}

static void the_same_seed_deals_alike_and_another_one_differently(void **state) {
  (void)state;
  FOR_EACH_SCHEME(p) {
    uint32_t first[EXAMPLES], again[EXAMPLES], other[EXAMPLES];
    deal(p, 1, first);
    deal(p, 1, again);
    deal(p, 2, other);
    assert_memory_equal(first, again, sizeof first);
    bool differs = memcmp(first, other, sizeof first) != 0;
    assert_int_equal(differs, strcmp(p->name, "column") != 0);
  }
}

static void impossible_deals_are_refused_with_the_reason(void **state) {
  (void)state;
  FOR_EACH_SCHEME(p) {
    uint32_t owner[EXAMPLES];
    comity_partition_options options = options_for(p, 1);
    options.clients = EXAMPLES + 1;
    comity_error_clear();
    assert_int_equal(p->deal(&options, labels, CLASSES, EXAMPLES, owner), COMITY_ERR_USAGE);
    assert_true(comity_error_message()[0] != '\0');
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_unique_and_sources_are_given),
      cmocka_unit_test(every_example_gets_one_client_and_every_client_an_example),
      cmocka_unit_test(the_same_seed_deals_alike_and_another_one_differently),
      cmocka_unit_test(impossible_deals_are_refused_with_the_reason)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
