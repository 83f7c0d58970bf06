/* Losses, gradients and parameters of whole training runs against PyTorch's, computed there in double. */
#include "reference.h"

static const double TOLERANCE = 1e-5;

/* The variant "plain": the gradient of each step, and the parameters after it, stepped in both ways. A kernel
 * that this build lacks leaves its products to another. */
static void follow_with(const char *name, comity_kernels kernels) {
  reference_run reference;
  reference_variant variant;
  reference_open(&reference, name);
  reference_read_variant(&reference, &variant);
  assert_string_equal(variant.name, "plain");
  reference.spec.kernels = kernels;

  comity_model *model;
  comity_workspace *workspace;
  assert_int_equal(comity_model_new(&reference.spec, &model), COMITY_OK);
  size_t count = comity_model_parameters(model);
  assert_int_equal(count, reference.parameters);
  assert_int_equal(comity_workspace_new(model, reference.batch, true, &workspace), COMITY_OK);
  float *gradient = comity_array(count, sizeof *gradient), *theirs = comity_array(count, sizeof *theirs);
  float *apart = comity_array(count, sizeof *apart), *fused = comity_array(count, sizeof *fused);
  assert_true(gradient != NULL && theirs != NULL && apart != NULL && fused != NULL);
  memcpy(apart, reference.initial, count * sizeof *apart);
  memcpy(fused, reference.initial, count * sizeof *fused);
  size_t xs = reference.batch * reference.width, ys = reference.batch * reference.spec.targets;
  for (size_t step = 0; step < reference.steps; step++) {
    memcpy(comity_workspace_x(workspace), reference.x + step * xs, xs * sizeof *reference.x);
    memcpy(comity_workspace_y(workspace), reference.y + step * ys, ys * sizeof *reference.y);
    double loss = reference_number(&reference, "loss");
    assert_true(fabs(comity_model_gradient(model, apart, workspace, reference.batch, NULL, gradient) -
                     loss) <= TOLERANCE * loss);
    assert_true(fabs(comity_model_step(model, fused, workspace, reference.batch, NULL, variant.rate) -
                     loss) <= TOLERANCE * loss);
    reference_values(&reference, "gradient", theirs, count);
    assert_vectors_near(gradient, theirs, count, TOLERANCE);
    for (size_t i = 0; i < count; i++)
      apart[i] -= (float)variant.rate * gradient[i];
    reference_values(&reference, "parameters", theirs, count);
    assert_vectors_near(apart, theirs, count, TOLERANCE);
    assert_vectors_near(fused, theirs, count, TOLERANCE);
  }
  comity_free(gradient);
  comity_free(theirs);
  comity_free(apart);
  comity_free(fused);
  comity_workspace_destroy(&workspace);
  comity_model_destroy(&model);
  reference_close(&reference);
}

static void follow(const char *name) {
  follow_with(name, COMITY_KERNELS_AUTO);
  follow_with(name, COMITY_KERNELS_OPENBLAS);
  follow_with(name, COMITY_KERNELS_NATIVE);
  follow_with(name, COMITY_KERNELS_ONEDNN);
}

static void logistic_regression_trains_as_in_pytorch(void **state) {
  (void)state;
  follow("logistic");
}

static void a_perceptron_with_l2_trains_as_in_pytorch(void **state) {
  (void)state;
  follow("mlp");
}

static void convolutions_and_pools_train_as_in_pytorch(void **state) {
  (void)state;
  follow("conv");
}

static void regression_on_two_targets_trains_as_in_pytorch(void **state) {
  (void)state;
  follow("regression");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(logistic_regression_trains_as_in_pytorch),
      cmocka_unit_test(a_perceptron_with_l2_trains_as_in_pytorch),
      cmocka_unit_test(convolutions_and_pools_train_as_in_pytorch),
      cmocka_unit_test(regression_on_two_targets_trains_as_in_pytorch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
