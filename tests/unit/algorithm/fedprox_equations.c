/* FedProx against the equations of Li et al. 2020. */
#include "fake.h"

/* w_t = (0,4), w = (1,2), grad F = (1,1), mu = 0.5:
 * grad F + mu (w - w_t) = (1 + 0.5*1, 1 + 0.5*(-2)) = (1.5, 0). */
static void proximal_term_pulls_towards_the_global_model(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedprox, mu: 0.5}", 2);
  const float down[2] = {0, 4};
  float model[2] = {1, 2}, gradient[2] = {1, 1};
  comity_client_view view = {.down = down, .model = model};
  method.algorithm->client_gradient(method.self, &view, gradient);
  assert_near(gradient[0], 1.5);
  assert_near(gradient[1], 0);
  comity_method_close(&method);
}

static void without_mu_the_gradient_stays_as_it_is(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedprox, mu: 0}", 2);
  const float down[2] = {0, 4};
  float model[2] = {1, 2}, gradient[2] = {0.3F, -1e-30F};
  comity_client_view view = {.down = down, .model = model};
  method.algorithm->client_gradient(method.self, &view, gradient);
  assert_true(gradient[0] == 0.3F);
  assert_true(gradient[1] == -1e-30F);
  comity_method_close(&method);
}

/* Two rounds with rate 2: (1,1) + 2 (0.5,-1) = (2,-1), + 2 (0,1) = (2,1). Slow clients' work counts. */
static void server_takes_the_mean_of_all_even_of_the_slow(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedprox, server_learning_rate: 2}", 2);
  float model[2] = {1, 1};
  const float first[2] = {0.5F, -1}, second[2] = {0, 1};
  assert_int_equal(fake_step(&method, model, NULL, 2, first), COMITY_OK);
  assert_near(model[0], 2);
  assert_near(model[1], -1);
  assert_int_equal(fake_step(&method, model, NULL, 2, second), COMITY_OK);
  assert_near(model[0], 2);
  assert_near(model[1], 1);
  assert_int_equal(method.algorithm->stragglers, COMITY_STRAGGLER_PARTIAL);
  comity_method_close(&method);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(proximal_term_pulls_towards_the_global_model),
      cmocka_unit_test(without_mu_the_gradient_stays_as_it_is),
      cmocka_unit_test(server_takes_the_mean_of_all_even_of_the_slow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
