/* Trees: every member is reached once, subtrees are ranges, and the time that they take grows as it should. */
#include "comm/comm_impl.h"

#include "test.h"

static const int FAN_OUTS[] = {1, 2, 3, 32};
enum { FAN_OUTS_COUNT = sizeof FAN_OUTS / sizeof *FAN_OUTS, MOST = 200 };

/* Check the subtree [first, end) and return how deep it is. */
static int check_subtree(int first, int end, int parent, int size, int fan_out) {
  comity_tree tree = comity_tree_at(first, size, size, fan_out);
  int depth = 0;
  assert_int_equal(tree.parent, parent);
  assert_true(tree.count <= fan_out);
  assert_int_equal(tree.child[tree.count], end);
  for (int c = 0, at = first + 1; c < tree.count; c++) {
    assert_int_equal(tree.child[c], at);
    assert_true(tree.child[c + 1] > at);
    int below = 1 + check_subtree(at, tree.child[c + 1], first, size, fan_out);
    depth = below > depth ? below : depth;
    at = tree.child[c + 1];
  }
  return depth;
}

static void every_member_has_one_parent_and_a_range_below_it(void **state) {
  (void)state;
  for (int f = 0; f < FAN_OUTS_COUNT; f++)
    for (int size = 1; size <= MOST; size++)
      assert_int_equal(check_subtree(0, size, -1, size, FAN_OUTS[f]), comity_tree_depth(size, FAN_OUTS[f]));
}

static void a_chain_is_a_line_and_a_wide_tree_is_flat(void **state) {
  (void)state;
  assert_int_equal(comity_tree_depth(1, 2), 0);
  assert_int_equal(comity_tree_depth(200, 1), 199);
  assert_int_equal(comity_tree_depth(33, 32), 1);
  assert_int_equal(comity_tree_depth(1024, 32), 2);
  assert_int_equal(comity_tree_depth(1023, 2), 9);
  assert_int_equal(comity_tree_depth(1024, 2), 10);
}

static void pieces_are_whole_lines_and_never_larger_than_allowed(void **state) {
  (void)state;
  for (int size = 2; size <= MOST; size++)
    for (size_t bytes = 1; bytes < (size_t)1 << 33; bytes = 3 * bytes + 1)
      for (size_t most = 8; most <= (size_t)1 << 22; most *= 8) {
        size_t piece = comity_tree_piece(size, bytes, most);
        bool alone = bytes <= COMITY_COMM_SHORT && bytes <= most;
        assert_true(alone ? piece >= bytes : piece <= most);
        assert_true(piece > 0 && (piece % 64 == 0 || piece == most));
        assert_true(alone == (comity_tree_fan_out(size, bytes, most) == COMITY_TREE_WIDE));
      }
}

/* In steps of one piece over one link: a byte costs at most two, and a member a small part of the bytes. */
static void the_time_of_a_long_vector_hardly_depends_on_the_number_of_members(void **state) {
  (void)state;
  enum { BYTES = 100 << 20, PIECE = 256 << 10 };
  for (int size = 2; size <= 1024; size++) {
    int fan_out = comity_tree_fan_out(size, BYTES, PIECE), depth = comity_tree_depth(size, fan_out);
    double piece = (double)comity_tree_piece(size, BYTES, PIECE);
    double bytes = fan_out * (BYTES + (depth - 1) * piece);
    assert_true(bytes <= 2.05 * BYTES);
  }
}

static void places_that_are_not_linked_are_children_of_the_server(void **state) {
  (void)state;
  comity_tree root = comity_tree_at(0, 5, 8, 2), single = comity_tree_at(6, 5, 8, 2);
  assert_int_equal(root.count, 5);
  assert_int_equal(root.child[2], 5);
  assert_int_equal(root.child[4], 7);
  assert_int_equal(root.child[5], 8);
  assert_int_equal(single.parent, 0);
  assert_int_equal(single.count, 0);
  assert_int_equal(single.child[0], 7);
  for (int place = 1; place < 5; place++) {
    comity_tree with = comity_tree_at(place, 5, 8, 2), without = comity_tree_at(place, 5, 5, 2);
    assert_memory_equal(&with, &without, sizeof with);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(places_that_are_not_linked_are_children_of_the_server),
    cmocka_unit_test(every_member_has_one_parent_and_a_range_below_it),
    cmocka_unit_test(a_chain_is_a_line_and_a_wide_tree_is_flat),
    cmocka_unit_test(pieces_are_whole_lines_and_never_larger_than_allowed),
    cmocka_unit_test(the_time_of_a_long_vector_hardly_depends_on_the_number_of_members),
};

int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }
