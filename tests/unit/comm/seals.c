/* Seals: a message is taken for whole only if nothing of it has changed and it is of this operation. */
#include "comm/comm_impl.h"

#include "test.h"

#include <string.h>

enum { BYTES = 1000 };

static comity_comm comm_at(uint64_t epoch) { return (comity_comm){.members = {.epoch = epoch}}; }

static comity_call call_of(comity_comm *comm, uint64_t sequence) {
  return (comity_call){.comm = comm, .sequence = sequence};
}

static void a_seal_fits_its_own_message_in_its_own_operation(void **state) {
  (void)state;
  comity_comm comm = comm_at(70000), later = comm_at(70004);
  comity_call call = call_of(&comm, 9), next = call_of(&comm, 10), stale = call_of(&later, 9);
  comity_seal seal = comity_call_seal(&call, 1234, BYTES);
  assert_true(comity_call_sealed(&call, &seal, 1234, BYTES));
  assert_false(comity_call_sealed(&call, &seal, 1235, BYTES));
  assert_false(comity_call_sealed(&call, &seal, 1234, BYTES - 1));
  assert_false(comity_call_sealed(&next, &seal, 1234, BYTES));
  assert_false(comity_call_sealed(&stale, &seal, 1234, BYTES)); /* though its tag may be the same */
}

static void no_bit_of_a_seal_can_change(void **state) {
  (void)state;
  comity_comm comm = comm_at(3);
  comity_call call = call_of(&comm, 9);
  const comity_seal good = comity_call_seal(&call, 1234, BYTES);
  for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
    comity_seal seal = good;
    ((uint8_t *)&seal)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_false(comity_call_sealed(&call, &seal, seal.digest, seal.length));
  }
  comity_seal none;
  memset(&none, 0, sizeof none);
  assert_false(comity_call_sealed(&call, &none, 0, 0)); /* memory that nothing has come into */
}

static void a_digest_sees_every_bit_and_the_order_of_pieces(void **state) {
  (void)state;
  uint8_t data[BYTES];
  for (size_t i = 0; i < BYTES; i++)
    data[i] = (uint8_t)(i * 37);
  uint64_t whole = comity_digest(data, BYTES, 0);
  for (size_t i = 0; i < BYTES; i++) {
    data[i] ^= 0x10;
    assert_int_not_equal(comity_digest(data, BYTES, 0), whole);
    data[i] ^= 0x10;
  }
  uint64_t forth = comity_digest(data + 500, 500, comity_digest(data, 500, 0)),
           back = comity_digest(data, 500, comity_digest(data + 500, 500, 0));
  assert_int_not_equal(forth, back);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_seal_fits_its_own_message_in_its_own_operation),
    cmocka_unit_test(no_bit_of_a_seal_can_change),
    cmocka_unit_test(a_digest_sees_every_bit_and_the_order_of_pieces),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
