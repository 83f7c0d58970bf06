/* How a job's words become a method, and what is refused. */
#include "fake.h"

static void unknown_names_are_answered_with_the_known_ones(void **state) {
  (void)state;
  comity_method method = {0};
  assert_int_equal(fake_open("algorithm: {name: scafold}", 2, 2, &method), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "did you mean 'scaffold'"));
  assert_non_null(strstr(comity_error_message(), "fednova"));
  assert_non_null(strstr(comity_error_message(), "job.yaml"));
  assert_null(method.algorithm);
}

static void settings_of_other_algorithms_are_refused(void **state) {
  (void)state;
  comity_method method = {0};
  assert_int_equal(fake_open("algorithm: {name: fedavg, mu: 0.1}", 2, 2, &method), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "algorithm.mu"));
  assert_non_null(strstr(comity_error_message(), "job.yaml"));
  assert_non_null(strstr(comity_error_message(), "fedprox"));
  assert_int_equal(fake_open("algorithm: {name: fedadagrad, beta2: 0.9}", 2, 2, &method), COMITY_ERR_CONFIG);
  assert_non_null(strstr(comity_error_message(), "fedadam, fedyogi"));
  assert_null(method.algorithm);
}

static void settings_that_are_read_are_accepted(void **state) {
  (void)state;
  comity_method method = {0};
  assert_int_equal(fake_open("algorithm: {name: fedprox, mu: 0.1, server_learning_rate: 2}", 2, 2, &method),
                   COMITY_OK);
  assert_string_equal(method.algorithm->name, "fedprox");
  comity_method_close(&method);
  comity_method_close(&method); /* safe on a closed one */
}

static void a_model_without_parameters_is_refused(void **state) {
  (void)state;
  comity_method method = {0};
  assert_int_equal(fake_open("algorithm: {name: fedavg}", 0, 2, &method), COMITY_ERR_ARG);
}

static void default_announcement_is_the_model(void **state) {
  (void)state;
  comity_method method = fake_method("algorithm: {name: fedavg}", 2);
  float model[2] = {3, 4}, down[2] = {0, 0};
  comity_server_view view = {.model = model};
  comity_method_announce(&method, &view, down);
  assert_near(down[0], 3);
  assert_near(down[1], 4);
  comity_method_close(&method);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unknown_names_are_answered_with_the_known_ones),
      cmocka_unit_test(settings_of_other_algorithms_are_refused),
      cmocka_unit_test(settings_that_are_read_are_accepted),
      cmocka_unit_test(a_model_without_parameters_is_refused),
      cmocka_unit_test(default_announcement_is_the_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
