/* Algorithms that must agree with each other: run with the real trainer on the same small problem. */
#include "small_federation.h"

static const size_t sizes[SMALL_CLIENTS] = {40, 7, 23, 12};
static const size_t equal_sizes[SMALL_CLIENTS] = {20, 20, 20, 20};

/* Train by both jobs and hand back both models. */
static void run_both(const char *one, const char *other, const size_t *counts, size_t clients, size_t rounds,
                     float models[2][SMALL_PARAMETERS]) {
  const char *yaml[2] = {one, other};
  for (int i = 0; i < 2; i++) {
    small_federation fed;
    small_open(&fed, yaml[i], counts, clients);
    small_rounds(&fed, rounds);
    memcpy(models[i], fed.global, sizeof fed.global);
    assert_true(small_loss(&fed, fed.global) < log(2.0)); /* they moved, and in the right direction */
    small_close(&fed);
  }
}

#define assert_same(one, other, counts, clients)                                                             \
  do {                                                                                                       \
    float models[2][SMALL_PARAMETERS];                                                                       \
    run_both(one, other, counts, clients, 5, models);                                                        \
    assert_floats_equal(models[0], models[1], SMALL_PARAMETERS);                                             \
  } while (0)

#define assert_close(one, other, counts, clients, tolerance)                                                 \
  do {                                                                                                       \
    float models[2][SMALL_PARAMETERS];                                                                       \
    run_both(one, other, counts, clients, 5, models);                                                        \
    assert_floats_near(models[0], models[1], SMALL_PARAMETERS, tolerance);                                   \
  } while (0)

static void fedavg_with_one_full_batch_is_fedsgd(void **state) {
  (void)state;
  assert_close("{algorithm: {name: fedavg}, train: {batch: 0, learning_rate: 0.5}}",
               "{algorithm: {name: fedsgd}, train: {batch: 0, learning_rate: 0.5}}", sizes, 4, 1e-6);
}

static void fedsgd_honours_clip_weight_decay_l2_and_schedule_as_fedavg_does(void **state) {
  (void)state;
#define WORK                                                                                                 \
  "model: {l2: 0.1}, train: {batch: 0, learning_rate: 0.5, clip_norm: 0.3, weight_decay: 0.05, "             \
  "schedule: exponential, decay: 0.8}}"
  assert_close("{algorithm: {name: fedavg}, " WORK, "{algorithm: {name: fedsgd}, " WORK, sizes, 4, 1e-6);
#undef WORK
}

static void fedprox_without_mu_is_fedavg_bit_for_bit(void **state) {
  (void)state;
  /* The clip that never cuts makes FedAvg store its gradients, as FedProx must. */
  assert_same("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3, clip_norm: 1.0e+12}}",
              "{algorithm: {name: fedprox, mu: 0}, train: {batch: 5, epochs: 3, clip_norm: 1.0e+12}}", sizes,
              4);
}

static void fused_steps_equal_steps_with_a_gradient_up_to_rounding(void **state) {
  (void)state;
  assert_close("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3}}",
               "{algorithm: {name: fedprox, mu: 0}, train: {batch: 5, epochs: 3}}", sizes, 4, 1e-6);
}

static void fedavgm_without_momentum_is_fedavg_bit_for_bit(void **state) {
  (void)state;
  assert_same("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3}}",
              "{algorithm: {name: fedavgm, server_momentum: 0}, train: {batch: 5, epochs: 3}}", sizes, 4);
}

static void fednova_with_equal_work_is_fedavg(void **state) {
  (void)state;
  assert_close("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3}}",
               "{algorithm: {name: fednova}, train: {batch: 5, epochs: 3}}", equal_sizes, 4, 1e-5);
  assert_close("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3, momentum: 0.8}}",
               "{algorithm: {name: fednova}, train: {batch: 5, epochs: 3, momentum: 0.8}}", equal_sizes, 4,
               1e-5);
}

static void fednova_with_unequal_work_is_not_fedavg(void **state) {
  (void)state;
  float models[2][SMALL_PARAMETERS];
  run_both("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3}}",
           "{algorithm: {name: fednova}, train: {batch: 5, epochs: 3}}", sizes, 4, 5, models);
  double largest = 0;
  for (int i = 0; i < SMALL_PARAMETERS; i++)
    largest = fmax(largest, fabs((double)models[0][i] - models[1][i]));
  assert_true(largest > 1e-2);
}

/* One client: c = c_1 after every round, so nothing is corrected. */
static void scaffold_with_one_client_is_sgd(void **state) {
  (void)state;
  assert_close("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 2}}",
               "{algorithm: {name: scaffold}, train: {batch: 5, epochs: 2}}", sizes, 1, 1e-5);
  assert_close("{algorithm: {name: fedavg}, train: {batch: 5, epochs: 2}}",
               "{algorithm: {name: scaffold, option: I}, train: {batch: 5, epochs: 2}}", sizes, 1, 1e-5);
}

/* With one full-batch step of everybody, c_i and c drop out of the mean: sum_i (c - c_i) = 0. */
static void scaffold_with_one_full_step_is_fedavg(void **state) {
  (void)state;
  assert_close("{algorithm: {name: fedavg}, train: {batch: 0}}",
               "{algorithm: {name: scaffold}, train: {batch: 0}}", equal_sizes, 4, 1e-5);
}

/* beta1 = 0, tau = 1e6 and rate 1e6: sqrt(v) vanishes beside tau, and the step is the update itself. */
static void fedadam_with_a_huge_tau_is_fedavg(void **state) {
  (void)state;
#define HUGE "beta1: 0, tau: 1.0e+6, server_learning_rate: 1.0e+6}, train: {batch: 5, epochs: 3}}"
  const char *fedavg = "{algorithm: {name: fedavg}, train: {batch: 5, epochs: 3}}";
  assert_close(fedavg, "{algorithm: {name: fedadam, " HUGE, sizes, 4, 1e-4);
  assert_close(fedavg, "{algorithm: {name: fedyogi, " HUGE, sizes, 4, 1e-4);
  assert_close(fedavg, "{algorithm: {name: fedadagrad, " HUGE, sizes, 4, 1e-4);
#undef HUGE
}

/* FedAvg's fixed point under many local steps is not the optimum of the mean objective; FedDyn's and
 * SCAFFOLD's is. Full batches, so that nothing but drift is left. */
static void feddyn_and_scaffold_reach_the_optimum_that_fedavg_misses(void **state) {
  (void)state;
#define WORK "model: {l2: 0.05}, train: {batch: 0, steps: 20, learning_rate: 0.5}}"
  const char *yaml[4] = {"{algorithm: {name: fedsgd}, " WORK, "{algorithm: {name: fedavg}, " WORK,
                         "{algorithm: {name: feddyn, alpha: 0.5}, " WORK,
                         "{algorithm: {name: scaffold}, " WORK};
#undef WORK
  double distance[4] = {0};
  float optimum[SMALL_PARAMETERS];
  for (int a = 0; a < 4; a++) {
    small_federation fed;
    small_open(&fed, yaml[a], equal_sizes, 4);
    small_rounds(&fed, a == 0 ? 2000 : 200);
    if (a == 0)
      memcpy(optimum, fed.global, sizeof optimum);
    for (int i = 0; i < SMALL_PARAMETERS; i++)
      distance[a] = fmax(distance[a], fabs((double)fed.global[i] - optimum[i]));
    small_close(&fed);
  }
  assert_true(distance[1] > 1e-2);
  assert_true(distance[2] < 1e-3);
  assert_true(distance[3] < 1e-3);
}

/* A strong proximal term keeps local models near the global one: the first round moves less. */
static void fedprox_moves_less_the_larger_mu_is(void **state) {
  (void)state;
  const char *yaml[3] = {"{algorithm: {name: fedprox, mu: 0}, train: {batch: 5, epochs: 5}}",
                         "{algorithm: {name: fedprox, mu: 1}, train: {batch: 5, epochs: 5}}",
                         "{algorithm: {name: fedprox, mu: 5}, train: {batch: 5, epochs: 5}}"};
  double norm[3];
  for (int i = 0; i < 3; i++) {
    small_federation fed;
    small_open(&fed, yaml[i], sizes, 4);
    small_rounds(&fed, 1);
    norm[i] = 0;
    for (int j = 0; j < SMALL_PARAMETERS; j++)
      norm[i] += (double)fed.global[j] * fed.global[j];
    small_close(&fed);
  }
  assert_true(norm[1] < 0.9 * norm[0]);
  assert_true(norm[2] < 0.9 * norm[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fedavg_with_one_full_batch_is_fedsgd),
      cmocka_unit_test(fedsgd_honours_clip_weight_decay_l2_and_schedule_as_fedavg_does),
      cmocka_unit_test(fedprox_without_mu_is_fedavg_bit_for_bit),
      cmocka_unit_test(fused_steps_equal_steps_with_a_gradient_up_to_rounding),
      cmocka_unit_test(fedavgm_without_momentum_is_fedavg_bit_for_bit),
      cmocka_unit_test(fednova_with_equal_work_is_fedavg),
      cmocka_unit_test(fednova_with_unequal_work_is_not_fedavg),
      cmocka_unit_test(scaffold_with_one_client_is_sgd),
      cmocka_unit_test(scaffold_with_one_full_step_is_fedavg),
      cmocka_unit_test(fedadam_with_a_huge_tau_is_fedavg),
      cmocka_unit_test(feddyn_and_scaffold_reach_the_optimum_that_fedavg_misses),
      cmocka_unit_test(fedprox_moves_less_the_larger_mu_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
