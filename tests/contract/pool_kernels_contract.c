/* Pools of 2x2 pixels give the same bits with each instruction set that this processor has: those of the
 * definition, for any width and alignment, with NaN, equals and zeros of both signs among the pixels. */
#include "test.h"

#include "kernel/kernel_impl.h"

#include <math.h>
#include <string.h>

enum { PLANES = 3, MOST = 8192, GUARD = 32 };

typedef struct pool_bench {
  size_t height, width, in, out;
  float x[MOST], dy[MOST], y[MOST], dx[MOST], expected_y[MOST], expected_dx[MOST];
  uint8_t place[MOST], expected_place[MOST];
} pool_bench;

static void expect(pool_bench *b) {
  memset(b->expected_dx, 0, sizeof b->expected_dx);
  size_t rows = b->height / 2, columns = b->width / 2;
  for (size_t at = 0; at < b->out; at++) {
    size_t first =
        at / (rows * columns) * b->height * b->width + at / columns % rows * 2 * b->width + at % columns * 2;
    const size_t pixel[4] = {first, first + 1, first + b->width, first + b->width + 1};
    uint8_t upper = b->x[pixel[1]] > b->x[pixel[0]] ? 1 : 0, lower = b->x[pixel[3]] > b->x[pixel[2]] ? 3 : 2;
    uint8_t best = b->x[pixel[lower]] > b->x[pixel[upper]] ? lower : upper;
    b->expected_place[at] = best;
    b->expected_y[at] = b->x[pixel[best]];
    b->expected_dx[pixel[best]] = b->dy[at];
  }
}

static void fill(pool_bench *b) {
  static const float odd[] = {0.0F, -0.0F, -1.0F, 1.0F, NAN, INFINITY, -INFINITY, 0.5F};
  comity_random random;
  comity_random_open(&random, b->width, COMITY_RANDOM_TEST, b->height, 0, 0);
  for (size_t i = 0; i < MOST; i++) {
    double at = comity_random_uniform(&random);
    b->x[i] = at < 0.5 ? odd[(size_t)(at * 16.0)] : (float)(4.0 * at - 3.0);
    b->dy[i] = (float)comity_random_uniform(&random) - 0.5F;
  }
}

static void check(const comity_pool_kernel *kernel, pool_bench *b, size_t shift, bool places) {
  static const uint8_t mark = 0xa5;
  float *y = b->y + shift, *dx = b->dx + shift;
  memset(b->y, mark, sizeof b->y);
  memset(b->dx, mark, sizeof b->dx);
  memset(b->place, mark, sizeof b->place);
  memmove(b->x + shift, b->x, b->in * sizeof *b->x);
  kernel->forward(PLANES, b->height, b->width, b->x + shift, y, places ? b->place : NULL);
  memmove(b->x, b->x + shift, b->in * sizeof *b->x);
  assert_memory_equal(y, b->expected_y, b->out * sizeof *y);
  if (places) {
    assert_memory_equal(b->place, b->expected_place, b->out);
    kernel->backward(PLANES, b->height, b->width, b->dy, b->place, dx);
    assert_memory_equal(dx, b->expected_dx, b->in * sizeof *dx);
  }
  for (size_t i = 0; i < GUARD; i++) {
    assert_int_equal(((uint8_t *)(y + b->out))[i], mark);
    assert_int_equal(b->place[b->out + i], mark);
    if (places)
      assert_int_equal(((uint8_t *)(dx + b->in))[i], mark);
  }
}

static void pools_are_those_of_the_definition(void **state) {
  (void)state;
  pool_bench *b = comity_array(1, sizeof *b);
  assert_non_null(b);
  for (b->height = 2; b->height <= 9; b->height++)
    for (b->width = 2; b->width <= 75; b->width++) {
      b->in = PLANES * b->height * b->width;
      b->out = PLANES * (b->height / 2) * (b->width / 2);
      fill(b);
      expect(b);
      for (size_t k = 0; k < comity_pool_kernel_count; k++)
        for (size_t shift = 0; shift < 6; shift += 5)
          if (comity_pool_kernels[k]->isa <= comity_isa_best()) {
            check(comity_pool_kernels[k], b, shift, true);
            check(comity_pool_kernels[k], b, shift, false);
          }
    }
  comity_free(b);
}

static void the_largest_instruction_set_is_chosen(void **state) {
  (void)state;
  assert_int_equal(comity_pool_choose()->isa, comity_isa_best());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pools_are_those_of_the_definition),
      cmocka_unit_test(the_largest_instruction_set_is_chosen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
