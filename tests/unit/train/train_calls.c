/* A client is trained without a call to the system: in a process of its own whose kernel refuses all calls, and
 * whose handler says which one was made. */
#include "test.h"

#include <comity/data.h>
#include <comity/model.h>
#include <comity/train.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXAMPLES = 203, WIDTH = 784, CALLED = 3, FAILED = 4, UNFILTERED = 5 };

/* ------------------------------------------------------------------------------------------- the filter */

/* Digits by hand: nothing else is safe here. */
static void say_call(int number, siginfo_t *about, void *context) {
  (void)number, (void)context;
  char text[] = "system call 0000 was made\n";
  for (int digit = 15, call = about->si_syscall; digit >= 12; digit--, call /= 10)
    text[digit] = (char)('0' + call % 10);
  if (write(STDERR_FILENO, text, sizeof text - 1) > 0)
    _exit(CALLED);
  _exit(CALLED);
}

/* From here on this process may write, end, and nothing else. False where there are no filters. */
static bool refuse_calls(void) {
  struct sigaction action = {.sa_sigaction = say_call, .sa_flags = SA_SIGINFO};
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof rules / sizeof rules[0], .filter = rules};
  return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* Sanitizers and valgrind call the system on their own account. */
static bool watched(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  const char *preload = getenv("LD_PRELOAD");
  return preload != NULL && (strstr(preload, "vgpreload") != NULL || strstr(preload, "valgrind") != NULL);
#endif
}

static void skip_where_watched(void) {
  if (watched()) {
    print_message("skipped: a sanitizer or valgrind calls the system itself\n");
    skip();
  }
}

/* How a child ends in which `work` is done under the filter. */
static int filtered(void (*work)(void *), void *context) {
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (!refuse_calls())
      _exit(UNFILTERED);
    work(context);
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == UNFILTERED) {
    print_message("skipped: this system has no seccomp filters\n");
    skip();
  }
  return WEXITSTATUS(status);
}

/* --------------------------------------------------------------------------------- the filter is honest */

static void ask_the_time(void *context) {
  struct timespec now;
  (void)context;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
}

static void allocate_much(void *context) {
  void *volatile *memory = context;
  *memory = malloc((size_t)64 << 20);
}

static void do_nothing(void *context) { (void)context; }

static void a_call_is_caught(void **state) {
  (void)state;
  void *memory = NULL;
  skip_where_watched();
  assert_int_equal(filtered(do_nothing, NULL), 0);
  assert_int_equal(filtered(ask_the_time, NULL), CALLED);
  assert_int_equal(filtered(allocate_much, &memory), CALLED);
}

/* ----------------------------------------------------------------------------------------------- training */

typedef struct client {
  comity_model *model;
  comity_method method;
  comity_trainer *trainer;
  comity_train_task task;
} client;

static void train(void *context) {
  client *one = context;
  comity_train_result result;
  if (comity_trainer_run(one->trainer, &one->task, &result) != COMITY_OK || result.steps == 0)
    _exit(FAILED);
}

static float *floats(size_t count) {
  float *values = comity_array(count, sizeof *values);
  assert_non_null(values);
  return values;
}

static void open_client(client *one, const char *yaml, const uint8_t *x, const float *y) {
  comity_config *config = NULL;
  comity_train_settings settings;
  comity_model_spec spec;
  comity_dataset_info info = {.path = "x.h5",
                              .type = COMITY_U8,
                              .shape_rank = 2,
                              .shape = {28, 28},
                              .width = WIDTH,
                              .scale = 1.0 / 255,
                              .targets = 1,
                              .classes = 10};
  assert_int_equal(comity_config_new(&config), COMITY_OK);
  if (comity_config_parse(config, "job.yaml", yaml, strlen(yaml)) != COMITY_OK ||
      comity_model_spec_read(config, &info, &spec) != COMITY_OK ||
      comity_model_new(&spec, &one->model) != COMITY_OK)
    fail_msg("%s", comity_error_message());
  size_t parameters = comity_model_parameters(one->model);
  comity_problem problem = {.parameters = parameters, .clients = 1};
  assert_int_equal(comity_method_open(config, &problem, &one->method), COMITY_OK);
  comity_train_settings_read(config, &settings);
  assert_int_equal(comity_trainer_new(&settings, one->model, &one->method, EXAMPLES, &one->trainer),
                   COMITY_OK);
  const comity_protocol *protocol = &one->method.protocol;
  float *down = floats(protocol->down.length);
  comity_model_init(one->model, 1, false, down + protocol->down.field[one->method.down_model].offset);
  one->task = (comity_train_task){.round = 1,
                                  .examples = {.count = EXAMPLES,
                                               .width = WIDTH,
                                               .targets = 1,
                                               .type = COMITY_U8,
                                               .x = x,
                                               .y = y,
                                               .scale = 1.0 / 255},
                                  .down = down,
                                  .state = floats(protocol->client_state.length),
                                  .up = floats(protocol->up.length)};
  comity_config_destroy(&config);
}

static void close_client(client *one) {
  comity_free((void *)(uintptr_t)one->task.down);
  comity_free(one->task.state);
  comity_free(one->task.up);
  comity_trainer_destroy(&one->trainer);
  comity_method_close(&one->method);
  comity_model_destroy(&one->model);
}

/* A convolution of few channels, which goes directly, one of more, which goes by transforms, and one with a stride, which
 * only OpenBLAS computes. */
#define CNN                                                                                                   \
  "model: {layers: [{type: conv2d, filters: 6, kernel: 5, padding: same}, relu, {type: maxpool, kernel: 2}, " \
  "{type: conv2d, filters: 5, kernel: 5, padding: same}, {type: conv2d, filters: 4, kernel: 3}, relu, "       \
  "{type: conv2d, filters: 3, kernel: 3, stride: 2}, flatten, {type: dense, units: 10}]"

static void training_never_calls_the_system(void **state) {
  (void)state;
  skip_where_watched();
  const char *yaml[] = {
      "{model: {preset: mnist_2nn}, train: {batch: 10, epochs: 2}}",
      "{model: {preset: mnist_2nn, kernels: openblas}, train: {batch: 10, epochs: 2}}",
      "{model: {preset: mnist_2nn, kernels: native}, train: {batch: 10, epochs: 2}}",
      "{model: {preset: mnist_2nn}, train: {batch: 110}}",
      "{" CNN "}, train: {batch: 20}}",
      "{" CNN ", kernels: openblas}, train: {batch: 20}}",
      "{" CNN ", kernels: native}, train: {batch: 20, momentum: 0.5, clip_norm: 1}}",
      ("{model: {preset: logistic}, algorithm: {name: scaffold, option: I}, train: {batch: 7, momentum: 0.5, "
       "clip_norm: 1, weight_decay: 0.1, schedule: cosine, decay_rounds: 9}}"),
      "{model: {preset: logistic}, algorithm: {name: fedsgd}}"};
  static uint8_t x[EXAMPLES * WIDTH];
  static float y[EXAMPLES];
  for (size_t i = 0; i < sizeof x; i++)
    x[i] = (uint8_t)(i * 2654435761U >> 24);
  for (size_t i = 0; i < EXAMPLES; i++)
    y[i] = (float)(i % 10);
  for (size_t i = 0; i < sizeof yaml / sizeof yaml[0]; i++) {
    client one = {0};
    open_client(&one, yaml[i], x, y);
    train(&one); /* a library may want memory once */
    int end = filtered(train, &one);
    close_client(&one);
    if (end != 0)
      fail_msg("%s: ended with %d", yaml[i], end);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_is_caught),
      cmocka_unit_test(training_never_calls_the_system),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
