/* FedDyn against algorithm 1 of Acar et al. 2021: m = 4 clients, alpha = 0.5, two rounds by hand. */
#include "fake.h"

static void two_rounds_of_partial_participation(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: feddyn, alpha: 0.5}", 4);
  float theta[2] = {1, 1}, h[2] = {0, 0}, h_1[2] = {0, 0}, h_2[2] = {0, 0}, up_1[2], up_2[2];

  /* The regulariser at theta_1 = (2,0) with h_1 = 0: alpha (theta_1 - theta) = (0.5,-0.5). */
  float down[2] = {1, 1}, theta_1[2] = {2, 0}, theta_2[2] = {1, 3}, gradient[2] = {0, 0};
  comity_client_view view = {.down = down, .state = h_1, .model = theta_1};
  method.algorithm->client_gradient(method.self, &view, gradient);
  assert_near(gradient[0], 0.5);
  assert_near(gradient[1], -0.5);
  /* h_1 = 0 - 0.5 (1,-1), h_2 = 0 - 0.5 (0,2). */
  fake_end(&method, down, theta_1, h_1, 3, 0.1, 0, up_1);
  fake_end(&method, down, theta_2, h_2, 3, 0.1, 0, up_2);
  assert_near(up_1[0], 1);
  assert_near(up_2[1], 2);
  assert_near(h_1[0], -0.5);
  assert_near(h_1[1], 0.5);
  assert_near(h_2[1], -1);
  /* Mean (0.5,0.5), sum (1,1): h = -0.5/4 (1,1) = (-0.125,-0.125); theta = (1.5,1.5) + 0.125/0.5. */
  const float combined[2] = {0.5F, 0.5F};
  assert_int_equal(fake_step(&method, theta, h, 2, combined), COMITY_OK);
  assert_near(h[0], -0.125);
  assert_near(theta[0], 1.75);
  assert_near(theta[1], 1.75);

  /* Round 2, client 1 alone: at theta the regulariser is -h_1 = (0.5,-0.5). */
  float moved[2] = {2.75F, 2.75F}, again[2] = {0, 0};
  view = (comity_client_view){.down = theta, .state = h_1, .model = theta};
  method.algorithm->client_gradient(method.self, &view, again);
  assert_near(again[0], 0.5);
  assert_near(again[1], -0.5);
  /* It moves by (1,1): h_1 = (-0.5,0.5) - 0.5 = (-1,0); h = -0.125 - 0.5/4 = -0.25; theta = 2.75 + 0.5. */
  fake_end(&method, theta, moved, h_1, 3, 0.1, 0, up_1);
  assert_near(h_1[0], -1);
  assert_near(h_1[1], 0);
  assert_int_equal(fake_step(&method, theta, h, 1, up_1), COMITY_OK);
  assert_near(h[0], -0.25);
  assert_near(theta[0], 3.25);
  assert_int_equal(method.algorithm->weighting, COMITY_WEIGH_EQUALLY);
  comity_method_close(&method);
}

/* With everybody present, h is the mean of all h_k after every round. */
static void server_state_is_the_mean_of_the_clients(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: feddyn, alpha: 0.25}", 2);
  float theta[2] = {0, 0}, h[2] = {0, 0}, h_k[2][2] = {{0}};
  for (int round = 0; round < 5; round++) {
    float combined[2] = {0, 0}, up[2];
    for (int k = 0; k < 2; k++) {
      float moved[2] = {theta[0] + (float)(k + round), theta[1] - (float)(2 * k - round)};
      fake_end(&method, theta, moved, h_k[k], 1, 0.1, 0, up);
      for (int i = 0; i < 2; i++)
        combined[i] += 0.5F * up[i];
    }
    assert_int_equal(fake_step(&method, theta, h, 2, combined), COMITY_OK);
    for (int i = 0; i < 2; i++)
      assert_near(h[i], 0.5 * (h_k[0][i] + h_k[1][i]));
  }
  comity_method_close(&method);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_rounds_of_partial_participation),
      cmocka_unit_test(server_state_is_the_mean_of_the_clients),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
