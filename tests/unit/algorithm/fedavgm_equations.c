/* FedAvgM against the equations of Hsu et al. 2019. */
#include "fake.h"

static void run(const char *yaml, const double expected[2][2]) {
  comity_method method = fake_method(yaml, 2);
  float model[2] = {0, 0}, v[2] = {0, 0};
  const float updates[2][2] = {{1, -2}, {1, 0}};
  for (int round = 0; round < 2; round++) {
    assert_int_equal(fake_step(&method, model, v, 2, updates[round]), COMITY_OK);
    assert_near(model[0], expected[round][0]);
    assert_near(model[1], expected[round][1]);
  }
  comity_method_close(&method);
}

/* beta = 0.5. v = (1,-2), w = (1,-2); v = 0.5 (1,-2) + (1,0) = (1.5,-1), w = (2.5,-3). */
static void velocity_carries_over_rounds(void **state) {
  (void)state;
  run("algorithm: {name: fedavgm, server_momentum: 0.5}", (const double[2][2]){{1, -2}, {2.5, -3}});
}

/* Look ahead: 0.5 (1,-2) + (1,-2) = (1.5,-3); then v = (1.5,-1), 0.5 v + (1,0) = (1.75,-0.5). */
static void nesterov_looks_ahead(void **state) {
  (void)state;
  run("algorithm: {name: fedavgm, server_momentum: 0.5, nesterov: true}",
      (const double[2][2]){{1.5, -3}, {3.25, -3.5}});
}

/* Rate 0.1 times the first case. */
static void server_rate_scales_the_velocitys_step(void **state) {
  (void)state;
  run("algorithm: {name: fedavgm, server_momentum: 0.5, server_learning_rate: 0.1}",
      (const double[2][2]){{0.1, -0.2}, {0.25, -0.3}});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(velocity_carries_over_rounds),
      cmocka_unit_test(nesterov_looks_ahead),
      cmocka_unit_test(server_rate_scales_the_velocitys_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
