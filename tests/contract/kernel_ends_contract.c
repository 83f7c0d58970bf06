/* No kernel touches memory beside its arrays: each array lies in pages of its own, once at their beginning and
 * once at their end, between pages that may not be touched. A vector that reaches out ends the test, even where
 * what it reads there would not matter; parameters and batches do end where memory ends. */
#include "test.h"

#include "kernel/kernel_impl.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_PIECES = 12 };

/* Arrays of one call, all at the beginning or all at the end of their pages. */
typedef struct fenced {
  bool at_end;
  size_t pieces;
  void *page[MOST_PIECES];
  size_t length[MOST_PIECES];
} fenced;

static void *fence(fenced *all, size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (bytes + page - 1) / page * page;
  char *start = mmap(NULL, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(start != MAP_FAILED && all->pieces < MOST_PIECES);
  all->page[all->pieces] = start;
  all->length[all->pieces++] = inside + 2 * page;
  assert_int_equal(mprotect(start + page, inside, PROT_READ | PROT_WRITE), 0);
  return start + page + (all->at_end ? inside - bytes : 0);
}

static float *floats(fenced *all, size_t count) {
  float *values = fence(all, count * sizeof *values);
  for (size_t i = 0; i < count; i++)
    values[i] = (float)(i * 37 % 64) / 32.0F - 1.0F;
  return values;
}

static void tear_down(fenced *all) {
  for (size_t i = 0; i < all->pieces; i++)
    assert_int_equal(munmap(all->page[i], all->length[i]), 0);
  *all = (fenced){.at_end = all->at_end};
}

/* The system refuses to read beside an array, where a program would be ended: or else the tests below would prove
 * nothing. */
static void beside_an_array_nothing_can_be_read(void **state) {
  (void)state;
  int pipes[2];
  assert_int_equal(pipe(pipes), 0);
  for (int at_end = 0; at_end < 2; at_end++) {
    fenced all = {.at_end = at_end == 1};
    const char *values = fence(&all, 40);
    assert_int_equal(write(pipes[1], values, 40), 40);
    assert_int_equal(write(pipes[1], all.at_end ? values + 40 : values - 1, 1), -1);
    tear_down(&all);
  }
  close(pipes[0]);
  close(pipes[1]);
}

static void try_dense(const comity_dense_kernel *kernel, comity_dense_shape s, fenced *all) {
  float *x = floats(all, s.rows * s.width), *weight = floats(all, s.units * s.width),
        *bias = floats(all, s.units), *y = floats(all, s.rows * s.units), *dx = floats(all, s.rows * s.width);
  kernel->forward(&s, x, weight, bias, y);
  kernel->data(&s, y, weight, dx);
  kernel->update(&s, y, x, 0.5F, 0.25F, weight, bias);
  kernel->update(&s, y, x, 0.0F, 0.25F, weight, bias);
  tear_down(all);
}

static void dense_kernels_stay_inside(void **state) {
  (void)state;
  static const size_t rows[] = {1, 2, 7, 10, 41, 101}, widths[] = {1, 3, 15, 16, 17, 33, 81, 130, 784},
                      units[] = {1, 2, 5, 10, 16, 17, 83};
  for (size_t k = 0; k < comity_dense_kernel_count; k++)
    for (size_t at = 0; at < 2 * 6 * 9 * 7; at++) {
      const comity_dense_kernel *kernel = comity_dense_kernels[k];
      fenced all = {.at_end = at % 2 == 1};
      comity_dense_shape s = {rows[at / 2 % 6], widths[at / 12 % 9], units[at / 108]};
      if (strcmp(kernel->name, "native") == 0 && kernel->isa <= comity_isa_best())
        try_dense(kernel, s, &all);
    }
}

static void try_conv(const comity_conv_kernel *kernel, comity_conv_shape s, fenced *all) {
  enum { IMAGES = 3 };
  size_t in = s.channels * s.height * s.width, out = s.filters * s.rows * s.columns,
         weights = s.filters * s.channels * s.kernel[0] * s.kernel[1];
  float *x = floats(all, IMAGES * in), *weight = floats(all, weights), *bias = floats(all, s.filters),
        *y = floats(all, IMAGES * out), *dx = floats(all, IMAGES * in);
  float *scratch = floats(all, (kernel->scratch(&s) + 15) / 16 * 16);
  kernel->forward(&s, IMAGES, x, weight, bias, y, scratch);
  kernel->backward(&s, IMAGES, x, y, weight, dx, 0.5F, 0.25F, weight, bias, scratch);
  kernel->backward(&s, IMAGES, x, y, weight, NULL, 0.0F, 0.25F, weight, bias, scratch);
  tear_down(all);
}

static void convolutions_stay_inside(void **state) {
  (void)state;
  for (size_t k = 0; k < comity_conv_kernel_count; k++)
    for (size_t at = 0; at < 2 * 7 * 8; at++) {
      const comity_conv_kernel *kernel = comity_conv_kernels[k];
      fenced all = {.at_end = at % 2 == 1};
      size_t window = 1 + at / 2 % 7, padding = at % 3 < window ? at % 3 : 0;
      comity_conv_shape s = {.channels = at % 5 < 2 ? 1 + at % 4 : 5 + at % 29,
                             .filters = 1 + at * 7 % 37,
                             .height = window + at % 6,
                             .width = window + at * 5 % 31,
                             .kernel = {window, window},
                             .stride = {1, 1},
                             .padding = {padding, padding}};
      s.rows = s.height + 2 * padding - window + 1;
      s.columns = s.width + 2 * padding - window + 1;
      if (kernel->isa <= comity_isa_best() && (kernel->fits == NULL || kernel->fits(&s)))
        try_conv(kernel, s, &all);
    }
}

static void pools_stay_inside(void **state) {
  (void)state;
  for (size_t k = 0; k < comity_pool_kernel_count; k++)
    for (size_t at = 0; at < 2 * 71; at++) {
      const comity_pool_kernel *kernel = comity_pool_kernels[k];
      fenced all = {.at_end = at % 2 == 1};
      size_t planes = 1 + at % 3, height = 2 + at % 4, width = 2 + at / 2, out = height / 2 * (width / 2);
      if (kernel->isa > comity_isa_best())
        continue;
      float *x = floats(&all, planes * height * width), *y = floats(&all, planes * out);
      uint8_t *place = fence(&all, planes * out);
      kernel->forward(planes, height, width, x, y, place);
      kernel->forward(planes, height, width, x, y, NULL);
      kernel->backward(planes, height, width, y, place, x);
      tear_down(&all);
    }
}

static void passes_and_elementwise_work_stay_inside(void **state) {
  (void)state;
  for (int isa = COMITY_ISA_BASE; isa <= (int)comity_isa_best(); isa++)
    for (size_t at = 2; at < 2 * 70; at++) {
      const comity_passes *passes = comity_passes_of((comity_isa)isa);
      const comity_elementwise *elementwise = comity_elementwise_of((comity_isa)isa);
      fenced all = {.at_end = at % 2 == 1};
      size_t count = at / 2;
      float *values = floats(&all, count), *other = floats(&all, count), *third = floats(&all, count);
      uint64_t *words = fence(&all, count * sizeof *words);
      uint8_t *bytes = fence(&all, count);
      float *labels = floats(&all, 2), *z = floats(&all, 2 * count), *dz = floats(&all, 2 * count);
      comity_sgd sgd = {.rate = 0.5F, .momentum = 0.5F, .factor = 1.0F, .decay = 0.25F};
      assert_true(passes->largest(values, count) <= 1.0F);
      passes->fold(values, count, 1024.0, INFINITY, words);
      passes->unfold(words, count, 0.5, values);
      passes->add(values, count, 2.0, other);
      assert_true(passes->squares(other, count) >= 0.0);
      passes->sgd(&sgd, count, values, NULL, other);
      passes->sgd(&sgd, count, values, other, third);
      elementwise->from_bytes(bytes, count, 0.5, values);
      elementwise->relu(values, count, other);
      elementwise->relu_back(other, count, values);
      labels[0] = labels[1] = 0.0F;
      assert_true(elementwise->cross_entropy(z, labels, 2, count, dz) >= -1e-5);
      tear_down(&all);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(beside_an_array_nothing_can_be_read),
      cmocka_unit_test(dense_kernels_stay_inside),
      cmocka_unit_test(convolutions_stay_inside),
      cmocka_unit_test(pools_stay_inside),
      cmocka_unit_test(passes_and_elementwise_work_stay_inside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
