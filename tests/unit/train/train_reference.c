/* Local steps against PyTorch's stored runs. */
#include "small_federation.h"

#include "../../reference/reference.h"
#include "train/train_impl.h"

/* PyTorch's runs: momentum, Nesterov's, weight decay, clipping. */
static void steps_equal_stored_runs(void **state) {
  (void)state;
  reference_run run;
  reference_open(&run, "logistic");
  comity_model *model = NULL;
  comity_workspace *workspace = NULL;
  assert_int_equal(comity_model_new(&run.spec, &model), COMITY_OK);
  assert_int_equal(comity_workspace_new(model, run.batch, true, &workspace), COMITY_OK);
  size_t n = run.parameters;
  float *w = small_floats(n), *g = small_floats(n), *v = small_floats(n), *expected = small_floats(n);
  for (size_t i = 0; i < run.variants; i++) {
    reference_variant variant;
    reference_read_variant(&run, &variant);
    comity_train_settings settings = {.momentum = variant.momentum,
                                      .nesterov = variant.nesterov != 0,
                                      .weight_decay = variant.weight_decay,
                                      .clip = variant.clip};
    bool plain = strcmp(variant.name, "plain") == 0;
    memcpy(w, run.initial, n * sizeof *w);
    memset(v, 0, n * sizeof *v);
    for (size_t step = 0; step < run.steps; step++) {
      memcpy(comity_workspace_x(workspace), run.x + step * run.batch * run.width,
             run.batch * run.width * sizeof *run.x);
      memcpy(comity_workspace_y(workspace), run.y + step * run.batch, run.batch * sizeof *run.y);
      comity_model_gradient(model, w, workspace, run.batch, NULL, g);
      comity_sgd_step(&settings, variant.rate, n, g, settings.momentum > 0 ? v : NULL, w);
      reference_number(&run, "loss");
      if (plain)
        reference_values(&run, "gradient", expected, n);
      if (plain || step == run.steps - 1) {
        reference_values(&run, "parameters", expected, n);
        assert_vectors_near(w, expected, n, 1e-6);
      }
    }
  }
  assert_true(run.variants >= 6);
  reference_word(&run, "end");
  comity_free(w);
  comity_free(g);
  comity_free(v);
  comity_free(expected);
  comity_workspace_destroy(&workspace);
  comity_model_destroy(&model);
  reference_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_equal_stored_runs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
