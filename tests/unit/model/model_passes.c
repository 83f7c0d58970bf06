/* Forward, gradient, step and score of whole models. */
#include "model_test.h"

#include "model/model_impl.h"

static void assert_close(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("%.12g instead of %.12g", value, expected);
}

static comity_random dropout_stream(void) {
  comity_random random;
  comity_random_open(&random, 7, COMITY_RANDOM_DROPOUT, 1, 2, 3);
  return random;
}

static void gradient_is_the_derivative_of_the_loss(void **state) {
  (void)state;
  comity_random dropout = dropout_stream();
  for (size_t m = 0; m < SMALL_MODELS; m++) {
    model_bench bench;
    model_bench_open(&bench, &small_models[m], 5);
    fill_batch(bench.model, bench.workspace, 5, 10); /* no kink of relu or maxpool lies within h of these */
    float *unused = comity_array(bench.count, sizeof *unused);
    assert_non_null(unused);
    (void)comity_model_gradient(bench.model, bench.parameters, bench.workspace, 5, &dropout, bench.gradient);
    double largest = 0.0;
    for (size_t i = 0; i < bench.count; i++)
      largest = fmax(largest, fabs((double)bench.gradient[i]));
    for (size_t i = 0; i < bench.count; i++) {
      const float h = 0x1p-8F;
      float here = bench.parameters[i];
      double f[2];
      for (int k = 0; k < 2; k++) {
        bench.parameters[i] = k == 0 ? here - h : here + h;
        f[k] = comity_model_gradient(bench.model, bench.parameters, bench.workspace, 5, &dropout, unused);
      }
      bench.parameters[i] = here;
      assert_close((f[1] - f[0]) / (2 * (double)h), (double)bench.gradient[i], 1e-3 * largest);
    }
    comity_free(unused);
    model_bench_close(&bench);
  }
}

static void step_is_gradient_followed_by_the_update(void **state) {
  (void)state;
  const double rate = 0.3;
  comity_random dropout = dropout_stream();
  for (size_t m = 0; m < SMALL_MODELS; m++) {
    model_bench bench;
    model_bench_open(&bench, &small_models[m], 5);
    double loss =
        comity_model_gradient(bench.model, bench.parameters, bench.workspace, 5, &dropout, bench.gradient);
    for (size_t i = 0; i < bench.count; i++)
      bench.gradient[i] = bench.parameters[i] - (float)rate * bench.gradient[i];
    assert_close(comity_model_step(bench.model, bench.parameters, bench.workspace, 5, &dropout, rate), loss,
                 0);
    for (size_t i = 0; i < bench.count; i++)
      assert_close((double)bench.parameters[i], (double)bench.gradient[i],
                   1e-6 * fmax(0.1, fabs((double)bench.gradient[i])));
    model_bench_close(&bench);
  }
}

static void l2_adds_half_the_square_to_the_loss(void **state) {
  (void)state;
  model_bench plain, decayed;
  comity_model_spec spec = small_models[1];
  model_bench_open(&decayed, &spec, 4);
  spec.l2 = 0.0;
  model_bench_open(&plain, &spec, 4);
  double square = 0.0;
  for (size_t i = 0; i < plain.count; i++)
    square += (double)plain.parameters[i] * (double)plain.parameters[i];
  double loss =
      comity_model_gradient(plain.model, plain.parameters, plain.workspace, 4, NULL, plain.gradient);
  assert_close(
      comity_model_gradient(decayed.model, decayed.parameters, decayed.workspace, 4, NULL, decayed.gradient),
      loss + 0.125 * square, 1e-12);
  model_bench_close(&plain);
  model_bench_close(&decayed);
}

/* Write NaN over everything but the batch. */
static void soil(comity_workspace *workspace) {
  const comity_model *model = workspace->model;
  for (size_t i = 0; i < workspace->pieces; i++)
    if (workspace->owned[i] == workspace->scratch)
      for (size_t k = 0; k < model->scratch; k++)
        workspace->scratch[k] = NAN;
  for (size_t i = 0; i < model->spec.count; i++) {
    for (size_t k = 0; k < workspace->batch * comity_shape_width(&model->step[i].out); k++)
      if (workspace->output[i] != workspace->x)
        workspace->output[i][k] = NAN;
    if (workspace->kept[i] != NULL)
      memset(workspace->kept[i], 0xff, workspace->batch * model->step[i].kept);
  }
  for (int i = 0; workspace->training && i < 2; i++)
    for (size_t k = 0; k < workspace->batch * model->widest_gradient; k++)
      workspace->gradient[i][k] = NAN;
}

static void results_do_not_depend_on_what_was_in_the_workspace(void **state) {
  (void)state;
  comity_random dropout = dropout_stream();
  for (size_t m = 0; m < SMALL_MODELS; m++) {
    model_bench clean, soiled;
    model_bench_open(&clean, &small_models[m], 5);
    model_bench_open(&soiled, &small_models[m], 5);
    soil(soiled.workspace);
    for (size_t i = 0; i < soiled.count; i++)
      soiled.gradient[i] = NAN;
    for (size_t count = 5; count >= 3; count -= 2) { /* a full and an odd batch */
      double loss = comity_model_gradient(clean.model, clean.parameters, clean.workspace, count, &dropout,
                                          clean.gradient);
      assert_close(comity_model_gradient(soiled.model, soiled.parameters, soiled.workspace, count, &dropout,
                                         soiled.gradient),
                   loss, 0);
      assert_memory_equal(clean.gradient, soiled.gradient, clean.count * sizeof(float));
    }
    soil(soiled.workspace);
    comity_score ours = comity_model_score(clean.model, clean.parameters, clean.workspace, 5, NULL);
    comity_score theirs = comity_model_score(soiled.model, soiled.parameters, soiled.workspace, 5, NULL);
    assert_close(ours.loss, theirs.loss, 0);
    assert_int_equal(ours.correct, theirs.correct);
    model_bench_close(&clean);
    model_bench_close(&soiled);
  }
}

static void a_batch_survives_its_use(void **state) {
  (void)state;
  for (size_t m = 0; m < SMALL_MODELS; m++)
    for (int training = 0; training < 2; training++) {
      model_bench bench;
      comity_workspace *used;
      model_bench_open(&bench, &small_models[m], 5);
      assert_int_equal(comity_workspace_new(bench.model, 5, training == 1, &used), COMITY_OK);
      fill_batch(bench.model, used, 5, 1);
      if (training == 1)
        (void)comity_model_gradient(bench.model, bench.parameters, used, 5, NULL, bench.gradient);
      (void)comity_model_forward(bench.model, bench.parameters, used, 5);
      assert_memory_equal(comity_workspace_x(used), comity_workspace_x(bench.workspace),
                          5 * bench.model->width * sizeof(float));
      comity_workspace_destroy(&used);
      model_bench_close(&bench);
    }
}

static void evaluation_gives_the_same_bits_in_both_kinds_of_workspace(void **state) {
  (void)state;
  for (size_t m = 0; m < SMALL_MODELS; m++) {
    model_bench bench;
    model_bench_open(&bench, &small_models[m], 5);
    comity_workspace *small;
    assert_int_equal(comity_workspace_new(bench.model, 5, false, &small), COMITY_OK);
    assert_true(comity_workspace_bytes(small) <= comity_workspace_bytes(bench.workspace));
    fill_batch(bench.model, small, 5, 1);
    soil(small);
    const float *large = comity_model_forward(bench.model, bench.parameters, bench.workspace, 5);
    assert_memory_equal(comity_model_forward(bench.model, bench.parameters, small, 5), large,
                        5 * comity_model_outputs(bench.model) * sizeof(float));
    comity_score kept = comity_model_score(bench.model, bench.parameters, bench.workspace, 5, NULL);
    double loss =
        comity_model_gradient(bench.model, bench.parameters, bench.workspace, 5, NULL, bench.gradient);
    if (small_models[m].l2 == 0.0)
      assert_close(kept.loss / 5, loss, 1e-6 * loss);
    comity_workspace_destroy(&small);
    model_bench_close(&bench);
  }
}

static void steps_reduce_the_loss_of_a_small_problem(void **state) {
  (void)state;
  for (size_t m = 0; m < SMALL_MODELS; m++) {
    model_bench bench;
    model_bench_open(&bench, &small_models[m], 5);
    double first = comity_model_step(bench.model, bench.parameters, bench.workspace, 5, NULL, 0.2),
           last = first;
    for (int i = 0; i < 200; i++)
      last = comity_model_step(bench.model, bench.parameters, bench.workspace, 5, NULL, 0.2);
    assert_true(last < 0.8 * first);
    model_bench_close(&bench);
  }
}

static void dropout_drops_its_share_and_keeps_the_mean(void **state) {
  (void)state;
  enum { WIDTH = 20000 };
  static const comity_model_spec spec = {
      MODEL_LAYERS({.kind = "dropout", .rate = 0.25}, {.kind = "dense", .units = 1}),
      .loss = "mean_squared_error", .shape_rank = 1, .shape = {WIDTH}, .targets = 1};
  model_bench bench;
  model_bench_open(&bench, &spec, 2);
  assert_false(comity_model_classifies(bench.model)); /* real numbers are never right or wrong */
  comity_random dropout = dropout_stream();
  for (size_t i = 0; i < 2 * WIDTH; i++)
    comity_workspace_x(bench.workspace)[i] = 1.0F;
  (void)comity_model_gradient(bench.model, bench.parameters, bench.workspace, 2, &dropout, bench.gradient);
  size_t dropped = 0, alike = 0;
  const float *y = bench.workspace->output[0];
  for (size_t i = 0; i < 2 * WIDTH; i++) {
    assert_true(y[i] == 0.0F || y[i] == 4.0F / 3.0F);
    dropped += y[i] == 0.0F;
    alike += i < WIDTH && y[i] == y[i + WIDTH];
  }
  assert_close((double)dropped / (2 * WIDTH), 0.25, 0.01);
  assert_close((double)alike / WIDTH, 0.75 * 0.75 + 0.25 * 0.25, 0.015); /* examples are independent */
  model_bench_close(&bench);
}

static void dropout_layers_of_one_step_and_steps_draw_apart(void **state) {
  (void)state;
  static const comity_model_spec spec = {
      MODEL_LAYERS({.kind = "dropout", .rate = 0.5}, {.kind = "dropout", .rate = 0.5},
                   {.kind = "dense", .units = 1}),
      .loss = "mean_squared_error", .shape_rank = 1, .shape = {256}, .targets = 1};
  model_bench bench;
  model_bench_open(&bench, &spec, 1);
  comity_random dropout = dropout_stream(), next;
  comity_random_open(&next, 7, COMITY_RANDOM_DROPOUT, 1, 2, 4);
  (void)comity_random_bits(&dropout); /* words that wait in the stream are not shared by the layers, either */
  (void)comity_model_gradient(bench.model, bench.parameters, bench.workspace, 1, &dropout, bench.gradient);
  const float *kept[2] = {bench.workspace->kept[0], bench.workspace->kept[1]};
  float first[256];
  assert_true(memcmp(kept[0], kept[1], 6 * sizeof(float)) != 0);
  memcpy(first, kept[0], sizeof first);
  (void)comity_model_gradient(bench.model, bench.parameters, bench.workspace, 1, &next, bench.gradient);
  assert_true(memcmp(kept[0], first, sizeof first) != 0);
  (void)comity_model_gradient(bench.model, bench.parameters, bench.workspace, 1, &dropout, bench.gradient);
  assert_memory_equal(kept[0], first, sizeof first);
  model_bench_close(&bench);
}

static void scores_of_two_logits_are_their_difference_and_of_one_itself(void **state) {
  (void)state;
  comity_model_spec spec = small_models[0];
  for (size_t units = 1; units <= 2; units++) {
    spec.layer[0].units = units;
    snprintf(spec.loss, sizeof spec.loss, "%s", units == 1 ? "binary_cross_entropy" : "cross_entropy");
    model_bench bench;
    model_bench_open(&bench, &spec, 4);
    assert_true(comity_model_is_binary(bench.model) && comity_model_classifies(bench.model));
    float scores[4];
    comity_score score = comity_model_score(bench.model, bench.parameters, bench.workspace, 4, scores);
    const float *z = comity_model_forward(bench.model, bench.parameters, bench.workspace, 4);
    size_t correct = 0;
    for (size_t i = 0; i < 4; i++) {
      float expected = units == 1 ? z[i] : z[2 * i + 1] - z[2 * i];
      assert_memory_equal(&scores[i], &expected, sizeof expected);
      correct += (expected > 0.0F) == (comity_workspace_y(bench.workspace)[i] == 1.0F);
    }
    assert_int_equal(score.correct, correct);
    assert_int_equal(score.examples, 4);
    model_bench_close(&bench);
  }
}

static void other_models_are_not_binary_and_leave_scores_alone(void **state) {
  (void)state;
  model_bench bench;
  model_bench_open(&bench, &small_models[1], 4);
  assert_false(comity_model_is_binary(bench.model));
  float scores[4] = {-7, -7, -7, -7};
  (void)comity_model_score(bench.model, bench.parameters, bench.workspace, 4, scores);
  for (size_t i = 0; i < 4; i++)
    assert_true(scores[i] == -7.0F);
  model_bench_close(&bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradient_is_the_derivative_of_the_loss),
      cmocka_unit_test(step_is_gradient_followed_by_the_update),
      cmocka_unit_test(l2_adds_half_the_square_to_the_loss),
      cmocka_unit_test(results_do_not_depend_on_what_was_in_the_workspace),
      cmocka_unit_test(a_batch_survives_its_use),
      cmocka_unit_test(evaluation_gives_the_same_bits_in_both_kinds_of_workspace),
      cmocka_unit_test(steps_reduce_the_loss_of_a_small_problem),
      cmocka_unit_test(dropout_drops_its_share_and_keeps_the_mean),
      cmocka_unit_test(dropout_layers_of_one_step_and_steps_draw_apart),
      cmocka_unit_test(scores_of_two_logits_are_their_difference_and_of_one_itself),
      cmocka_unit_test(other_models_are_not_binary_and_leave_scores_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
