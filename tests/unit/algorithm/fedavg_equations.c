/* FedAvg and FedSGD against the equations of McMahan et al. 2017. */
#include "fake.h"

static void clients_send_how_far_they_moved(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedavg}", 2);
  const float down[2] = {1, 2};
  float model[2] = {2, 1.5F}, up[2];
  fake_end(&method, down, model, NULL, 3, 0.1, 0, up);
  assert_near(up[0], 1);
  assert_near(up[1], -0.5);
  comity_method_close(&method);
}

/* w = (1,2); w_1 = (2,2) with n_1 = 1, w_2 = (1,6) with n_2 = 3:
 * sum n_k/n w_k = (2/4 + 3/4, 2/4 + 18/4) = (1.25, 5). The combined update is (0.25, 3). */
static void server_moves_to_the_weighted_mean(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedavg}", 2);
  float model[2] = {1, 2};
  const float combined[2] = {0.25F, 3};
  assert_int_equal(fake_step(&method, model, NULL, 2, combined), COMITY_OK);
  assert_near(model[0], 1.25);
  assert_near(model[1], 5);
  assert_int_equal(method.algorithm->weighting, COMITY_WEIGH_EXAMPLES);
  comity_method_close(&method);
}

/* Rate 0.5: (1,2) + 0.5 (0.25,3) = (1.125, 3.5), then again (1.25, 5). */
static void server_rate_stretches_the_step(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedavg, server_learning_rate: 0.5}", 2);
  float model[2] = {1, 2};
  const float combined[2] = {0.25F, 3};
  assert_int_equal(fake_step(&method, model, NULL, 2, combined), COMITY_OK);
  assert_near(model[0], 1.125);
  assert_near(model[1], 3.5);
  assert_int_equal(fake_step(&method, model, NULL, 2, combined), COMITY_OK);
  assert_near(model[0], 1.25);
  assert_near(model[1], 5);
  comity_method_close(&method);
}

/* grad F(w) = (2 w_0, -4 w_1) */
static double quadratic(const comity_client_view *view, const float *at, float *gradient) {
  (void)view;
  gradient[0] = 2 * at[0];
  gradient[1] = -4 * at[1];
  return 7.5;
}

/* w = (1,2), g = (2,-8), eta = 0.1: w - eta g = (0.8, 2.8). */
static void fedsgd_takes_one_step_along_the_full_gradient(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedsgd}", 1);
  const float down[2] = {1, 2};
  float local[2] = {1, 2}, up[2] = {0, 0}, model[2] = {1, 2};
  comity_client_view view = {.down = down, .up = up, .model = local, .rate = 0.1, .full_gradient = quadratic};
  double loss = 0;
  assert_int_equal(method.algorithm->client_train(method.self, &view, &loss), COMITY_OK);
  assert_true(isfinite(comity_method_end(&method, &view)));
  assert_near(loss, 7.5);
  assert_near(up[0], -0.2);
  assert_near(up[1], 0.8);
  assert_int_equal(fake_step(&method, model, NULL, 1, up), COMITY_OK);
  assert_near(model[0], 0.8);
  assert_near(model[1], 2.8);
  comity_method_close(&method);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clients_send_how_far_they_moved),
      cmocka_unit_test(server_moves_to_the_weighted_mean),
      cmocka_unit_test(server_rate_stretches_the_step),
      cmocka_unit_test(fedsgd_takes_one_step_along_the_full_gradient),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
