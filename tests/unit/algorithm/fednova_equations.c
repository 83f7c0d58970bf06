/* FedNova against the equations of Wang et al. 2020. */
#include "fake.h"

#include "algorithm/algorithm_impl.h"

/* Two clients with p = (1/4, 3/4), from x = (0,0):
 * 1: tau = 2, y = (-2,4): (y - x)/tau = (-1,2). 2: tau = 4, y = (4,4): (1,1).
 * Mean direction (-1/4 + 3/4, 2/4 + 3/4) = (0.5,1.25), tau_eff = 2/4 + 3*4/4 = 3.5: x = (1.75,4.375).
 * (FedAvg would be at (2.5,4).) */
static void updates_are_normalised_by_local_steps(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fednova}", 2);
  const float down[2] = {0, 0};
  float y_1[2] = {-2, 4}, y_2[2] = {4, 4}, up_1[3], up_2[3], combined[3], x[2] = {0, 0};
  fake_end(&method, down, y_1, NULL, 2, 0.1, 0, up_1);
  fake_end(&method, down, y_2, NULL, 4, 0.1, 0, up_2);
  assert_near(up_1[0], -1);
  assert_near(up_1[1], 2);
  assert_near(up_1[2], 2);
  for (int i = 0; i < 3; i++)
    combined[i] = 0.25F * up_1[i] + 0.75F * up_2[i];
  assert_int_equal(fake_step(&method, x, NULL, 2, combined), COMITY_OK);
  assert_near(x[0], 1.75);
  assert_near(x[1], 4.375);
  /* A second round from there with the same message and no memory of the first. */
  assert_int_equal(fake_step(&method, x, NULL, 2, combined), COMITY_OK);
  assert_near(x[0], 3.5);
  comity_method_close(&method);
}

/* Momentum 0.5, three steps: a = (1.75, 1.5, 1), ||a||_1 = 4.25. */
static void momentum_enters_by_the_closed_form(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fednova}", 2);
  const float down[2] = {0, 0};
  float y[2] = {8.5F, 0}, up[3];
  fake_end(&method, down, y, NULL, 3, 0.1, 0.5, up);
  assert_near(up[0], 2);
  assert_near(up[2], 4.25);
  comity_method_close(&method);
}

/* How often each gradient counts, from running the recursion on unit gradients one at a time. */
static void closed_forms_equal_the_recursion(void **state) {
  (void)state;
  for (int nesterov = 0; nesterov < 2; nesterov++)
    for (size_t steps = 0; steps < 20; steps++) {
      double m = 0.9, v = 0, moved = 0; /* all gradients are 1, so the path is the sum of all a_j */
      for (size_t j = 0; j < steps; j++) {
        v = m * v + 1;
        moved += nesterov ? 1 + m * v : v;
      }
      assert_true(fabs(comity_steps_weight(steps, m, nesterov) - moved) < 1e-9);
      assert_true(comity_steps_weight(steps, 0, nesterov) == (double)steps);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(updates_are_normalised_by_local_steps),
      cmocka_unit_test(momentum_enters_by_the_closed_form),
      cmocka_unit_test(closed_forms_equal_the_recursion),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
