/* What every way of moving vectors must do, run over all of them: for all sizes of communicators that fit into
 * the job, in the caller's memory and in the communicator's, with lengths around the boundaries of pieces. */
#include "mpi_main.h"

#include <comity/comm.h>

#include <string.h>

enum { PIECE = 32 << 10 }; /* bytes: small, so that many pieces are under way */

/* Words, not bytes, up to more pieces than may be under way at once. */
static const size_t COUNTS[] = {0, 1, 511, 512, 513, 4095, 4096, 4097, 20000, 300001};
enum { COUNTS_COUNT = sizeof COUNTS / sizeof *COUNTS };

static uint64_t word_of(int rank, size_t i) {
  return UINT64_C(0x9e3779b97f4a7c15) * (i + 1) + UINT64_C(0xbf58476d1ce4e5b9) * (uint64_t)(rank + 1);
}

/* Memory for `count` words and one more that nobody may touch. */
typedef struct vector {
  comity_comm *comm; /* whose memory it is; NULL: the caller's */
  uint64_t *words;
  size_t count;
} vector;

static vector make(comity_comm *comm, bool owned, size_t count) {
  vector made = {.comm = owned ? comm : NULL, .count = count};
  void *memory = NULL;
  if (owned)
    assert_int_equal(comity_comm_buffer_new(comm, (count + 1) * sizeof *made.words, &memory), COMITY_OK);
  else
    assert_non_null(memory = comity_array(count + 1, sizeof *made.words));
  made.words = memory;
  for (size_t i = 0; i <= count; i++)
    made.words[i] = word_of(comity_comm_rank(comm), i);
  return made;
}

static void end(const vector *made, int rank) {
  assert_true(made->words[made->count] == word_of(rank, made->count));
  if (made->comm != NULL)
    comity_comm_buffer_free(made->comm, made->words);
  else
    comity_free(made->words);
}

static void check_broadcast(comity_comm *comm, bool owned, size_t count) {
  vector v = make(comm, owned, count);
  assert_int_equal(comity_comm_broadcast(comm, v.words, count * sizeof *v.words), COMITY_OK);
  for (size_t i = 0; i < count; i++)
    assert_true(v.words[i] == word_of(0, i));
  end(&v, comity_comm_rank(comm));
}

/* Where a sum is taken to, and how far it has got. */
typedef struct made_and_taken {
  uint64_t *words;
  int rank;
  size_t head, made, taken;
} made_and_taken;

static void add_words(void *self, size_t first, size_t count, void *into) {
  made_and_taken *at = self;
  uint64_t *words = into;
  assert_int_equal(first, at->made);
  for (size_t i = 0; i < count; i++)
    words[i] += word_of(at->rank, at->head + at->made + i);
  at->made += count;
}

static void take_words(void *self, size_t first, size_t count, const void *sums) {
  made_and_taken *at = self;
  assert_int_equal(first, at->taken);
  memcpy(at->words + at->head + at->taken, sums, count * sizeof *at->words);
  at->taken += count;
}

/* Words behind a head come into being while they travel, and are taken on arrival; their place in the vector is
 * not touched. */
static void check_sum_on_the_way(comity_comm *comm, bool owned, size_t count, bool only_receives) {
  enum { HEAD = 3 };
  int rank = comity_comm_rank(comm), size = comity_comm_size(comm);
  vector v = make(comm, owned, count + HEAD);
  uint64_t *taken = comity_array(count + HEAD, sizeof *taken);
  assert_non_null(taken);
  memset(v.words + HEAD, 0xee, count * sizeof *v.words);
  made_and_taken at = {.words = taken, .rank = rank, .head = HEAD};
  comity_summing how = {
      .only_receives = only_receives, .head = HEAD, .self = &at, .add = add_words, .take = take_words};
  assert_int_equal(comity_comm_sum_by(comm, v.words, count + HEAD, &how), COMITY_OK);
  bool makes = rank > 0 || size == 1 || !only_receives;
  assert_int_equal(at.made, makes ? count : 0);
  assert_int_equal(at.taken, rank == 0 ? count : 0);
  for (size_t i = 0; rank == 0 && i < count + HEAD; i++) {
    uint64_t word = 0;
    for (int r = only_receives && size > 1 ? 1 : 0; r < size; r++)
      word += word_of(r, i);
    assert_true((i < HEAD ? v.words : taken)[i] == word);
  }
  for (size_t i = HEAD; i < count + HEAD; i++)
    assert_true(v.words[i] == UINT64_C(0xeeeeeeeeeeeeeeee));
  comity_free(taken);
  end(&v, rank);
}

static void check_sum(comity_comm *comm, bool owned, size_t count, bool of_others) {
  vector v = make(comm, owned, count);
  int size = comity_comm_size(comm);
  comity_summing how = {.only_receives = of_others};
  assert_int_equal(comity_comm_sum_by(comm, v.words, count, &how), COMITY_OK);
  for (size_t i = 0; comity_comm_is_server(comm) && i < count; i++) {
    uint64_t expected = 0;
    for (int r = of_others && size > 1 ? 1 : 0; r < size; r++)
      expected += word_of(r, i);
    assert_true(v.words[i] == expected);
  }
  end(&v, comity_comm_rank(comm));
}

static void check_sum_float(comity_comm *comm, bool owned, size_t count, bool of_others) {
  vector v = make(comm, owned, count);
  float *values = (float *)(void *)v.words;
  int rank = comity_comm_rank(comm), size = comity_comm_size(comm);
  size_t length = count > 0 ? 2 * count - 1 : 0; /* odd, too */
  for (size_t i = 0; i < length; i++)
    values[i] = (float)(i % 1000) + 0.5f * (float)rank;
  comity_summing how = {.only_receives = of_others};
  assert_int_equal(comity_comm_sum_float_by(comm, values, length, &how), COMITY_OK);
  float ranks = (float)(of_others && size > 1 ? size - 1 : size);
  for (size_t i = 0; rank == 0 && i < length; i++)
    assert_true(values[i] == (float)(i % 1000) * ranks + 0.25f * (float)(size * (size - 1)));
  end(&v, rank);
}

static void check_all(comity_comm *comm) {
  for (size_t c = 0; c < COUNTS_COUNT; c++)
    for (int owned = 0; owned < 2; owned++) {
      check_broadcast(comm, owned == 1, COUNTS[c]);
      for (int of_others = 0; of_others < 2; of_others++) {
        check_sum(comm, owned == 1, COUNTS[c], of_others == 1);
        check_sum_on_the_way(comm, owned == 1, COUNTS[c], of_others == 1);
        check_sum_float(comm, owned == 1, COUNTS[c], of_others == 1);
      }
    }
}

/* With the first `size` ranks of the job. */
static void check_size(const char *collectives, int size) {
  MPI_Comm base;
  comity_comm_options options = {.deadline = 60, .piece_bytes = PIECE, .collectives = collectives};
  MPI_Comm_split(MPI_COMM_WORLD, world_rank() < size ? 0 : MPI_UNDEFINED, world_rank(), &base);
  if (base == MPI_COMM_NULL)
    return;
  comity_comm *comm;
  assert_int_equal(comity_comm_new(base, &options, &comm), COMITY_OK);
  check_all(comm);
  comity_comm_destroy(&comm);
  MPI_Comm_free(&base);
}

static void vectors_arrive_and_add_up_along_trees(void **state) {
  (void)state;
  for (int size = 1; size <= world_size(); size++)
    check_size("tree", size);
}

static void vectors_arrive_and_add_up_by_mpi(void **state) {
  (void)state;
  for (int size = 1; size <= world_size(); size++)
    check_size("mpi", size);
}

static void an_unknown_way_is_refused_on_all_and_names_the_known_ones(void **state) {
  (void)state;
  comity_comm *comm = NULL;
  comity_comm_options options = {.collectives = world_rank() == 0 ? "pigeons" : "tree"};
  assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_ERR_ARG);
  if (world_rank() == 0)
    assert_non_null(strstr(comity_error_message(), "tree and mpi"));
  options.collectives = world_rank() == 0 ? "mpi" : "tree";
  if (world_size() > 1) {
    assert_int_equal(comity_comm_new(MPI_COMM_WORLD, &options, &comm), COMITY_ERR_ARG);
    assert_non_null(strstr(comity_error_message(), "must match"));
  }
}

static void buffers_are_aligned_zeroed_and_given_back_in_any_order(void **state) {
  (void)state;
  comity_comm *comm;
  void *memory[5];
  assert_int_equal(comity_comm_new(MPI_COMM_SELF, NULL, &comm), COMITY_OK);
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(comity_comm_buffer_new(comm, 1000 * i, &memory[i]), COMITY_OK);
    assert_int_equal((uintptr_t)memory[i] % 64, 0);
    for (size_t k = 0; k < 1000 * i; k++)
      assert_int_equal(((uint8_t *)memory[i])[k], 0);
    memset(memory[i], 1, 1000 * i);
  }
  static const int order[] = {2, 4, 0}; /* the others go with the communicator */
  for (size_t i = 0; i < 3; i++)
    comity_comm_buffer_free(comm, memory[order[i]]);
  comity_comm_buffer_free(comm, NULL);
  assert_int_equal(comity_comm_buffer_new(comm, SIZE_MAX - 8, &memory[0]), COMITY_ERR_MEMORY);
  comity_comm_destroy(&comm);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(vectors_arrive_and_add_up_along_trees),
    cmocka_unit_test(vectors_arrive_and_add_up_by_mpi),
    cmocka_unit_test(an_unknown_way_is_refused_on_all_and_names_the_known_ones),
    cmocka_unit_test(buffers_are_aligned_zeroed_and_given_back_in_any_order),
};

MPI_MAIN(tests)
