/* FedAdagrad, FedAdam and FedYogi against algorithm 2 of Reddi et al. 2021, two rounds with
 * D = (1,-2), (2,0), beta1 = 0.5, eta = 0.1, tau = 0.5 in all tests. So m = (0.5,-1), then (1.25,-0.5). */
#include "fake.h"

#include <math.h>

#define COMMON "server_learning_rate: 0.1, beta1: 0.5, tau: 0.5"

/* v[round][coordinate] is what the paper's second moment should be. */
static void run(const char *yaml, double initial, const double v[2][2]) {
  comity_method method = fake_method(yaml, 2);
  float model[2] = {0, 0}, state[4] = {0};
  comity_server_view view = {.model = model, .state = state};
  method.algorithm->server_begin(method.self, &view);
  assert_near(state[0], 0);
  assert_near(state[3], initial);
  const float updates[2][2] = {{1, -2}, {2, 0}};
  const double m[2][2] = {{0.5, -1}, {1.25, -0.5}};
  double expected[2] = {0, 0};
  for (int round = 0; round < 2; round++) {
    assert_int_equal(fake_step(&method, model, state, 2, updates[round]), COMITY_OK);
    for (int i = 0; i < 2; i++) {
      expected[i] += 0.1 * m[round][i] / (sqrt(v[round][i]) + 0.5);
      assert_near(state[i], m[round][i]);
      assert_near(state[2 + i], v[round][i]);
      assert_near(model[i], expected[i]);
    }
  }
  comity_method_close(&method);
}

/* v = D^2 = (1,4), then (1,4) + (4,0) = (5,4). First step: (0.05/1.5, -0.1/2.5). */
static void adagrad_sums_squares(void **state) {
  (void)state;
  run("algorithm: {name: fedadagrad, " COMMON "}", 0, (const double[2][2]){{1, 4}, {5, 4}});
}

/* beta2 = 0.75. v = 0.25 (1,4) = (0.25,1), then 0.75 (0.25,1) + 0.25 (4,0) = (1.1875,0.75). First step
 * 0.1*0.5/(0.5 + 0.5) = 0.05: no bias correction, which would have made it 0.1/(1 + 0.5). */
static void adam_averages_squares_without_bias_correction(void **state) {
  (void)state;
  run("algorithm: {name: fedadam, beta2: 0.75, " COMMON "}", 0,
      (const double[2][2]){{0.25, 1}, {1.1875, 0.75}});
}

/* beta2 = 0.75, v = 2 at first. D^2 = (1,4): 2 > 1, so 2 - 0.25*1 = 1.75; 2 < 4, so 2 + 0.25*4 = 3.
 * D^2 = (4,0): 1.75 + 0.25*4 = 2.75; 3 - 0 = 3. */
static void yogi_moves_towards_the_square_by_its_sign(void **state) {
  (void)state;
  run("algorithm: {name: fedyogi, beta2: 0.75, initial_accumulator: 2, " COMMON "}", 2,
      (const double[2][2]){{1.75, 3}, {2.75, 3}});
}

/* A coordinate that nobody touched stays where it is, however small tau is. */
static void a_zero_update_moves_nothing(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedadam, tau: 1e-300}", 2);
  float model[2] = {1, 2}, memory[4] = {0};
  const float none[2] = {0, 0};
  assert_int_equal(fake_step(&method, model, memory, 1, none), COMITY_OK);
  assert_near(model[0], 1);
  assert_near(model[1], 2);
  comity_method_close(&method);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(adagrad_sums_squares),
      cmocka_unit_test(adam_averages_squares_without_bias_correction),
      cmocka_unit_test(yogi_moves_towards_the_square_by_its_sign),
      cmocka_unit_test(a_zero_update_moves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
