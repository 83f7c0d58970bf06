/* Phase names, distributions over clients, area under the ROC curve. */
#include "test.h"

#include <comity/metrics.h>

#include <math.h>
#include <string.h>

static void phases_have_the_names_of_the_record(void **state) {
  (void)state;
  assert_string_equal(comity_phase_name(COMITY_PHASE_TRAIN), "train");
  assert_string_equal(comity_phase_name(COMITY_PHASE_WAIT), "wait");
  assert_string_equal(comity_phase_name(COMITY_PHASE_COMMUNICATE), "communicate");
  assert_string_equal(comity_phase_name(COMITY_PHASE_AGGREGATE), "aggregate");
  assert_string_equal(comity_phase_name(COMITY_PHASE_EVALUATE), "evaluate");
  assert_string_equal(comity_phase_name(COMITY_PHASE_IO), "io");
}

static void distribution_of_eleven_values_is_known(void **state) {
  (void)state;
  double values[] = {0.5, 0.1, 0.9, 0.3, 0.7, 0.0, 1.0, 0.2, 0.8, 0.4, 0.6};
  comity_distribution d = comity_distribution_of(values, 11);
  assert_true(fabs(d.mean - 0.5) < 1e-15);
  assert_true(d.worst == 0.0);
  assert_true(d.percentile10 == 0.1);
  assert_true(fabs(d.variance - 0.1) < 1e-15);
}

static void percentile_lies_between_order_statistics(void **state) {
  (void)state;
  double values[] = {4, 2, 8};
  comity_distribution d = comity_distribution_of(values, 3);
  assert_true(fabs(d.percentile10 - 2.4) < 1e-15); /* 0.1 * (3-1) = 0.2 of the way from 2 to 4 */
  double one[] = {0.25};
  d = comity_distribution_of(one, 1);
  assert_true(d.percentile10 == 0.25 && d.mean == 0.25 && d.worst == 0.25 && d.variance == 0);
}

static void distribution_of_nothing_is_not_a_number(void **state) {
  (void)state;
  double values[] = {NAN};
  comity_distribution none = comity_distribution_of(values, 0), unknown = comity_distribution_of(values, 1);
  assert_true(isnan(none.mean) && isnan(none.worst) && isnan(none.percentile10) && isnan(none.variance));
  assert_true(isnan(unknown.mean) && isnan(unknown.worst));
}

static void distribution_passes_over_clients_that_were_not_measured(void **state) {
  (void)state;
  double values[] = {NAN, 3, NAN, 1};
  comity_distribution d = comity_distribution_of(values, 4);
  assert_true(d.mean == 2 && d.worst == 1 && d.variance == 1);
}

static void distribution_does_not_depend_on_the_order_of_clients(void **state) {
  (void)state;
  double forth[100], back[100];
  for (int i = 0; i < 100; i++)
    back[99 - i] = forth[i] = 1.0 / (3 + i * 37 % 100);
  comity_distribution a = comity_distribution_of(forth, 100), b = comity_distribution_of(back, 100);
  assert_memory_equal(&a, &b, sizeof a);
}

/* Pairs (positive, negative): (0.4, 0.1), (0.8, 0.1), (0.8, 0.35) right, (0.4, 0.35) right; with 0.35 raised
 * to 0.5 the pair (0.4, 0.5) is wrong: 3 of 4. */
static void auc_counts_pairs_in_order(void **state) {
  (void)state;
  double auc;
  assert_int_equal(comity_auc((float[]){0.1F, 0.5F, 0.4F, 0.8F}, (float[]){0, 0, 1, 1}, 4, &auc), COMITY_OK);
  assert_true(auc == 0.75);
}

static void ties_count_half(void **state) {
  (void)state;
  double auc;
  assert_int_equal(comity_auc((float[]){1, 1, 1, 1, 1}, (float[]){0, 1, 0, 1, 0}, 5, &auc), COMITY_OK);
  assert_true(auc == 0.5);
  /* positives 2, 3; negatives 1, 2, 2: pairs 1 + 0.5 + 0.5 and 3, of 6 */
  assert_int_equal(comity_auc((float[]){2, 2, 3, 1, 2}, (float[]){1, 0, 1, 0, 0}, 5, &auc), COMITY_OK);
  assert_true(auc == 5.0 / 6);
}

static void auc_of_perfect_and_of_wrong_scores_is_one_and_zero(void **state) {
  (void)state;
  double auc;
  assert_int_equal(comity_auc((float[]){-2, 5, -1, 4}, (float[]){0, 1, 0, 1}, 4, &auc), COMITY_OK);
  assert_true(auc == 1);
  assert_int_equal(comity_auc((float[]){-2, 5, -1, 4}, (float[]){1, 0, 1, 0}, 4, &auc), COMITY_OK);
  assert_true(auc == 0);
}

static void auc_without_an_order_is_not_a_number(void **state) {
  (void)state;
  double auc = 0;
  assert_int_equal(comity_auc((float[]){1, 2}, (float[]){1, 1}, 2, &auc), COMITY_OK);
  assert_true(isnan(auc));
  auc = 0;
  assert_int_equal(comity_auc((float[]){1, 2}, (float[]){0, 0}, 2, &auc), COMITY_OK);
  assert_true(isnan(auc));
  auc = 0;
  assert_int_equal(comity_auc((float[]){1, NAN, 3}, (float[]){0, 1, 1}, 3, &auc), COMITY_OK);
  assert_true(isnan(auc));
  auc = 0;
  assert_int_equal(comity_auc(NULL, NULL, 0, &auc), COMITY_OK);
  assert_true(isnan(auc));
}

static void auc_of_many_random_scores_is_that_of_counting_pairs(void **state) {
  (void)state;
  enum { N = 300 };
  float score[N], label[N];
  comity_random random;
  comity_random_open(&random, 5, COMITY_RANDOM_TEST, 0, 0, 0);
  for (int i = 0; i < N; i++) {
    score[i] = (float)comity_random_below(&random, 40); /* many ties */
    label[i] = comity_random_uniform(&random) < 0.3;
  }
  double right = 0, pairs = 0, auc;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      if (label[i] > 0.5F && label[j] < 0.5F) {
        right += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
        pairs++;
      }
  assert_int_equal(comity_auc(score, label, N, &auc), COMITY_OK);
  assert_true(auc == right / pairs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(phases_have_the_names_of_the_record),
      cmocka_unit_test(distribution_of_eleven_values_is_known),
      cmocka_unit_test(percentile_lies_between_order_statistics),
      cmocka_unit_test(distribution_of_nothing_is_not_a_number),
      cmocka_unit_test(distribution_passes_over_clients_that_were_not_measured),
      cmocka_unit_test(distribution_does_not_depend_on_the_order_of_clients),
      cmocka_unit_test(auc_counts_pairs_in_order),
      cmocka_unit_test(ties_count_half),
      cmocka_unit_test(auc_of_perfect_and_of_wrong_scores_is_one_and_zero),
      cmocka_unit_test(auc_without_an_order_is_not_a_number),
      cmocka_unit_test(auc_of_many_random_scores_is_that_of_counting_pairs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
