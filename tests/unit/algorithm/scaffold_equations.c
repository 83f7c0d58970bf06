/* SCAFFOLD against algorithm 1 of Karimireddy et al. 2020: N = 4 clients, two rounds, by hand. */
#include "fake.h"

static void announce(const comity_method *method, float *model, float *c, float *down) {
  comity_server_view view = {.round = 1, .model = model, .state = c};
  comity_method_announce(method, &view, down);
}

static void two_rounds_with_option_two(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: scaffold}", 4);
  float x[2] = {1, 2}, c[2] = {0, 0}, c_a[2] = {0, 0}, c_b[2] = {0, 0}, down[4], up_a[4], up_b[4];

  /* Round 1, clients a and b, K = 2 steps of rate 0.5, so (x - y) / (K eta_l) = x - y.
   * a: y = (0,3): update (-1,1), c_a+ = (1,-1). b: y = (1,0): update (0,-2), c_b+ = (0,2). */
  announce(&method, x, c, down);
  float y_a[2] = {0, 3}, y_b[2] = {1, 0};
  fake_end(&method, down, y_a, c_a, 2, 0.5, 0, up_a);
  fake_end(&method, down, y_b, c_b, 2, 0.5, 0, up_b);
  const float expected_a[4] = {-1, 1, 1, -1}, expected_b[4] = {0, -2, 0, 2};
  for (int i = 0; i < 4; i++) {
    assert_near(up_a[i], expected_a[i]);
    assert_near(up_b[i], expected_b[i]);
  }
  /* Mean update (-0.5,-0.5), sum of delta_c (1,1): x = (0.5,1.5), c = (1,1)/4. */
  const float combined[4] = {-0.5F, -0.5F, 1, 1};
  assert_int_equal(fake_step(&method, x, c, 2, combined), COMITY_OK);
  assert_near(x[0], 0.5);
  assert_near(x[1], 1.5);
  assert_near(c[0], 0.25);
  assert_near(c[1], 0.25);

  /* Round 2, only a. Its gradient (1,1) becomes (1 + 0.25 - 1, 1 + 0.25 + 1). */
  announce(&method, x, c, down);
  assert_near(down[1], 1.5);
  assert_near(down[3], 0.25);
  float gradient[2] = {1, 1}, y[2] = {0, 1};
  comity_client_view view = {.down = down, .state = c_a, .model = y};
  method.algorithm->client_gradient(method.self, &view, gradient);
  assert_near(gradient[0], 0.25);
  assert_near(gradient[1], 2.25);
  /* One step of 0.5 to y = (0,1): x - y = (0.5,0.5), c_a+ = (1 - 0.25 + 1, -1 - 0.25 + 1) = (1.75,-0.25). */
  fake_end(&method, down, y, c_a, 1, 0.5, 0, up_a);
  assert_near(c_a[0], 1.75);
  assert_near(c_a[1], -0.25);
  assert_near(up_a[2], 0.75);
  assert_near(up_a[3], 0.75);
  /* x = x + update = (0,1); c = 0.25 + 0.75/4, although only one of four took part. */
  assert_int_equal(fake_step(&method, x, c, 1, up_a), COMITY_OK);
  assert_near(x[0], 0);
  assert_near(x[1], 1);
  assert_near(c[0], 0.4375);
  assert_near(c[1], 0.4375);
  comity_method_close(&method);
}

static double shifted(const comity_client_view *view, const float *at, float *gradient) {
  (void)view;
  gradient[0] = at[0] - 3;
  gradient[1] = 2 * at[1];
  return 0;
}

/* Option I: c_i+ is the gradient at x = (1,2), (-2,4), wherever the local steps led. */
static void option_one_takes_the_gradient_at_the_servers_model(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: scaffold, option: I}", 4);
  const float down[4] = {1, 2, 9, 9};
  float y[2] = {5, 5}, c_i[2] = {1, 1}, up[4] = {0};
  comity_client_view view = {
      .down = down, .up = up, .state = c_i, .model = y, .rate = 0.1, .steps = 7, .full_gradient = shifted};
  assert_true(isfinite(comity_method_end(&method, &view)));
  const float expected[4] = {4, 3, -3, 3};
  for (int i = 0; i < 4; i++)
    assert_near(up[i], expected[i]);
  assert_near(c_i[0], -2);
  assert_near(c_i[1], 4);
  comity_method_close(&method);
}

/* Momentum 0.5 and two steps along the constant direction g = 1 with rate 1: velocity 1, then 1.5, so x - y
 * = 2.5. The control variate is still the gradient: 2.5 / ||a||_1 = 2.5 / 2.5. */
static void momentum_does_not_inflate_the_control_variate(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: scaffold}", 4);
  const float down[4] = {0, 0, 0, 0};
  float y[2] = {-2.5F, 0}, c_i[2] = {0, 0}, up[4];
  fake_end(&method, down, y, c_i, 2, 1.0, 0.5, up);
  assert_near(c_i[0], 1);
  comity_method_close(&method);
}

static void a_rate_of_zero_keeps_the_control_variate(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: scaffold}", 4);
  const float down[4] = {1, 1, 2, 2};
  float y[2] = {1, 1}, c_i[2] = {3, 3}, up[4];
  fake_end(&method, down, y, c_i, 2, 0.0, 0.0, up);
  assert_near(c_i[0], 3);
  for (int i = 0; i < 4; i++)
    assert_near(up[i], 0);
  comity_method_close(&method);
}

static void server_rate_applies_to_the_model_and_not_to_c(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: scaffold, server_learning_rate: 0.5}", 4);
  float x[2] = {0, 0}, c[2] = {0, 0};
  const float combined[4] = {2, 4, 8, 8};
  assert_int_equal(fake_step(&method, x, c, 4, combined), COMITY_OK);
  assert_near(x[0], 1);
  assert_near(x[1], 2);
  assert_near(c[0], 2);
  comity_method_close(&method);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_rounds_with_option_two),
      cmocka_unit_test(option_one_takes_the_gradient_at_the_servers_model),
      cmocka_unit_test(momentum_does_not_inflate_the_control_variate),
      cmocka_unit_test(a_rate_of_zero_keeps_the_control_variate),
      cmocka_unit_test(server_rate_applies_to_the_model_and_not_to_c),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
