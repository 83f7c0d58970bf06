/* What every algorithm promises to those who pack, sum, checkpoint and train and know nothing of it. */
#include "small_federation.h"

static const size_t sizes[SMALL_CLIENTS] = {40, 7, 23, 12};

#define WORK "model: {l2: 0.02}, train: {batch: 5, epochs: 2, learning_rate: 0.1}"

/* A job for the algorithm; adaptive servers need a rate of their own. */
static void job_of(const comity_algorithm *algorithm, const char *work, char *yaml, size_t room) {
  bool adaptive = algorithm->settings != NULL && strstr(algorithm->settings, "tau") != NULL;
  snprintf(yaml, room, "{algorithm: {name: %s%s}, %s}", algorithm->name,
           adaptive ? ", server_learning_rate: 0.1" : "", work);
}

static void open_listed(small_federation *fed, const comity_algorithm *algorithm, const char *work) {
  char yaml[512];
  job_of(algorithm, work, yaml, sizeof yaml);
  small_open(fed, yaml, sizes, SMALL_CLIENTS);
}

/* Call `check` with every algorithm, opened for the usual work. */
static void with_each(void (*check)(small_federation *fed)) {
  size_t count;
  const comity_algorithm *const *list = comity_algorithm_list(&count);
  assert_true(count >= 10);
  for (size_t a = 0; a < count; a++) {
    small_federation fed;
    open_listed(&fed, list[a], WORK);
    check(&fed);
    small_close(&fed);
  }
}

static void every_name_finds_its_table(void **state) {
  (void)state;
  size_t count, settings;
  const comity_algorithm *const *list = comity_algorithm_list(&count);
  (void)comity_setting_list(&settings);
  for (size_t a = 0; a < count; a++) {
    const comity_algorithm *found = NULL;
    assert_int_equal(comity_algorithm_find(list[a]->name, &found), COMITY_OK);
    assert_ptr_equal(found, list[a]);
    assert_true(strlen(found->source) > 20 && strlen(found->summary) > 0);
    assert_non_null(found->open);
    assert_non_null(found->server_step);
    for (size_t other = 0; other < a; other++)
      assert_string_not_equal(list[other]->name, found->name);
  }
}

/* Each word of `settings` is declared in the list of settings. */
static void every_setting_that_is_read_exists(void **state) {
  (void)state;
  size_t count;
  const comity_algorithm *const *list = comity_algorithm_list(&count);
  for (size_t a = 0; a < count; a++)
    for (const char *at = list[a]->settings; at != NULL && *at != '\0';) {
      char key[64];
      size_t span = strcspn(at, "|");
      snprintf(key, sizeof key, "algorithm.%.*s", (int)span, at);
      if (comity_setting_find(key) == NULL)
        fail_msg("%s reads '%s', which is no setting", list[a]->name, key);
      at += span + (at[span] == '|');
    }
}

static void check_fields(small_federation *fed) {
  const comity_protocol *protocol = &fed->method.protocol;
  const comity_field *model = comity_layout_find(&protocol->down, "model");
  assert_non_null(model);
  assert_int_equal(model->length, SMALL_PARAMETERS);
  assert_ptr_equal(model, &protocol->down.field[fed->method.down_model]);
  assert_true(protocol->up.count >= 1);
  assert_non_null(comity_layout_find(&protocol->up, "update"));
  const comity_layout *layouts[] = {&protocol->down, &protocol->up, &protocol->client_state,
                                    &protocol->server_state};
  for (int l = 0; l < 4; l++) {
    size_t length = 0;
    for (size_t f = 0; f < layouts[l]->count; f++) {
      assert_int_equal(layouts[l]->field[f].offset, length);
      length += layouts[l]->field[f].length;
    }
    assert_int_equal(layouts[l]->length, length);
  }
  /* The global model arrives as it is. */
  for (int i = 0; i < SMALL_PARAMETERS; i++)
    fed->global[i] = 0.5F + (float)i;
  comity_server_view view = {.round = 1, .model = fed->global, .state = fed->server_state};
  comity_method_announce(&fed->method, &view, fed->down);
  assert_floats_equal(fed->down + model->offset, fed->global, SMALL_PARAMETERS);
}

static void every_protocol_is_consistent(void **state) {
  (void)state;
  with_each(check_fields);
}

static void check_loss_falls(small_federation *fed) {
  double before = small_loss(fed, fed->global);
  small_rounds(fed, 30);
  if (!(small_loss(fed, fed->global) < 0.8 * before))
    fail_msg("%s: loss %g, then %g", fed->method.algorithm->name, before, small_loss(fed, fed->global));
}

static void every_algorithm_reduces_the_loss(void **state) {
  (void)state;
  with_each(check_loss_falls);
}

static void check_partial_cohorts(small_federation *fed) {
  double before = small_loss(fed, fed->global);
  for (size_t round = 1; round <= 40; round++)
    assert_int_equal(small_round(fed, round, 1U << round % 4 | 1U << (round + 1) % 4, NULL), COMITY_OK);
  assert_true(small_loss(fed, fed->global) < 0.8 * before);
}

static void every_algorithm_works_with_half_of_the_clients(void **state) {
  (void)state;
  with_each(check_partial_cohorts);
}

static void check_partial_work(small_federation *fed) {
  const size_t epochs[SMALL_CLIENTS] = {1, 0, 1, 0};
  double before = small_loss(fed, fed->global);
  for (size_t round = 1; round <= 30; round++)
    assert_int_equal(small_round(fed, round, 15, epochs), COMITY_OK);
  assert_true(small_loss(fed, fed->global) < 0.8 * before);
}

static void every_algorithm_bears_partial_work(void **state) {
  (void)state;
  with_each(check_partial_work);
}

static void check_repeats(small_federation *fed) {
  small_federation again;
  open_listed(&again, fed->method.algorithm, WORK);
  small_rounds(fed, 5);
  small_rounds(&again, 5);
  assert_floats_equal(fed->global, again.global, SMALL_PARAMETERS);
  assert_floats_equal(fed->server_state, again.server_state, fed->method.protocol.server_state.length);
  for (size_t k = 0; k < SMALL_CLIENTS; k++)
    assert_floats_equal(fed->client_state[k], again.client_state[k],
                        fed->method.protocol.client_state.length);
  small_close(&again);
}

static void every_run_repeats_bit_for_bit(void **state) {
  (void)state;
  with_each(check_repeats);
}

/* Everything that lasts is in the declared states: a method that is opened anew goes on where the old one
 * was. */
static void check_resumes(small_federation *fed) {
  small_federation resumed;
  open_listed(&resumed, fed->method.algorithm, WORK);
  small_rounds(fed, 3);
  memcpy(resumed.global, fed->global, sizeof fed->global);
  memcpy(resumed.server_state, fed->server_state,
         fed->method.protocol.server_state.length * sizeof *fed->server_state);
  for (size_t k = 0; k < SMALL_CLIENTS; k++)
    memcpy(resumed.client_state[k], fed->client_state[k],
           fed->method.protocol.client_state.length * sizeof(float));
  for (size_t round = 4; round <= 6; round++) {
    assert_int_equal(small_round(fed, round, 15, NULL), COMITY_OK);
    assert_int_equal(small_round(&resumed, round, 15, NULL), COMITY_OK);
  }
  assert_floats_equal(fed->global, resumed.global, SMALL_PARAMETERS);
  small_close(&resumed);
}

static void all_memory_is_in_the_declared_states(void **state) {
  (void)state;
  with_each(check_resumes);
}

/* A combined message of zeros, as from clients that all sit at their optimum, moves nothing at the start. */
static void check_stationary(small_federation *fed) {
  float before[SMALL_PARAMETERS];
  for (int i = 0; i < SMALL_PARAMETERS; i++)
    before[i] = fed->global[i] = 1.5F - (float)i;
  comity_server_view view = {
      .round = 1, .cohort = 4, .present = 4, .model = fed->global, .state = fed->server_state};
  memset(fed->combined, 0, fed->method.protocol.up.length * sizeof *fed->combined);
  assert_int_equal(fed->method.algorithm->server_step(fed->method.self, &view, fed->combined), COMITY_OK);
  assert_floats_equal(fed->global, before, SMALL_PARAMETERS);
}

static void updates_of_zero_move_nothing(void **state) {
  (void)state;
  with_each(check_stationary);
}

/* At every place of the message; model and state stay as they are. */
static void check_not_finite(small_federation *fed) {
  small_rounds(fed, 1);
  size_t length = fed->method.protocol.up.length, kept = fed->method.protocol.server_state.length;
  float model[SMALL_PARAMETERS], *memory = small_floats(kept);
  memcpy(model, fed->global, sizeof model);
  memcpy(memory, fed->server_state, kept * sizeof *memory);
  comity_server_view view = {
      .round = 2, .cohort = 4, .present = 4, .model = fed->global, .state = fed->server_state};
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (size_t at = 0; at < length; at++)
    for (int b = 0; b < 3; b++) {
      float good = fed->combined[at];
      fed->combined[at] = bad[b];
      assert_int_equal(fed->method.algorithm->server_step(fed->method.self, &view, fed->combined),
                       COMITY_ERR_NUMERIC);
      assert_non_null(strstr(comity_error_message(), fed->method.algorithm->name));
      assert_floats_equal(fed->global, model, SMALL_PARAMETERS);
      assert_floats_equal(fed->server_state, memory, kept);
      fed->combined[at] = good;
    }
  comity_free(memory);
}

static void combined_numbers_that_are_not_finite_are_refused(void **state) {
  (void)state;
  with_each(check_not_finite);
}

/* A rate of 0, as at the end of a cosine, is no reason for infinities. */
static void a_local_rate_of_zero_is_harmless(void **state) {
  (void)state;
  size_t count;
  const comity_algorithm *const *list = comity_algorithm_list(&count);
  for (size_t a = 0; a < count; a++) {
    small_federation fed;
    open_listed(&fed, list[a], "train: {batch: 5, learning_rate: 0}");
    small_rounds(&fed, 3);
    for (int i = 0; i < SMALL_PARAMETERS; i++)
      assert_true(fed.global[i] == 0.0F);
    small_close(&fed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_name_finds_its_table),
      cmocka_unit_test(every_setting_that_is_read_exists),
      cmocka_unit_test(every_protocol_is_consistent),
      cmocka_unit_test(every_algorithm_reduces_the_loss),
      cmocka_unit_test(every_algorithm_works_with_half_of_the_clients),
      cmocka_unit_test(every_algorithm_bears_partial_work),
      cmocka_unit_test(every_run_repeats_bit_for_bit),
      cmocka_unit_test(all_memory_is_in_the_declared_states),
      cmocka_unit_test(updates_of_zero_move_nothing),
      cmocka_unit_test(combined_numbers_that_are_not_finite_are_refused),
      cmocka_unit_test(a_local_rate_of_zero_is_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
