/* The accumulator: one client's fields after the other into one sum, all of a client or nothing, and one
 * collective at the end. */
#include "aggregate_impl.h"

#include "core/core_impl.h"

#include <comity/kernel.h>
#include <math.h>
#include <string.h>

/* What is counted beside the fields, exactly, whatever the aggregator. */
enum { PRESENT, WEIGHT };

/* The sums are far larger than the caches. So clients wait until there are as many as this much memory holds, and are
 * added block by block, each small enough for the first-level cache: where there are not more, right to the pieces
 * that travel, and no sums are kept here at all. */
enum { WAITING_BYTES = 36 << 20, WAITING_MOST = 8, BLOCK = 1024 };

static const double LARGEST_WHOLE = 0x1p53; /* up to here every whole number is a double */

struct comity_aggregate {
  const comity_aggregator *aggregator;
  comity_comm *comm;
  comity_layout layout;
  uint64_t counters[COMITY_AGGREGATE_HEAD]; /* of this rank's clients */
  uint64_t head[COMITY_AGGREGATE_HEAD];     /* on their way: on the server those of all afterwards */
  uint8_t *sums;   /* (layout.length) words of the aggregator: of clients that had to make room for others */
  bool fresh;      /* there were none of those, and the sums hold anything */
  float *combined; /* on the server while the sums are on their way: where they are read to */
  size_t cohort;
  double total_weight;

  float *rooms; /* (most, stride) fields of clients that passed the check */
  size_t stride, most, waiting;
  double weight[WAITING_MOST]; /* of those that wait */
  float bound[WAITING_MOST];   /* largest magnitude in their fields */
};

/* Many never touch all of it: a server that does not train, a participant with few clients. */
static comity_status make_room(comity_aggregate *made, size_t words) {
  size_t bytes = (made->layout.length * sizeof(float) + 63) / 64 * 64;
  made->most = bytes == 0 ? 1 : WAITING_BYTES / bytes;
  made->most = made->most < 1 ? 1 : made->most > WAITING_MOST ? WAITING_MOST : made->most;
  made->stride = bytes / sizeof(float);
  size_t all = bytes == 0 ? 64 : made->most * bytes;
  made->rooms = comity_memory_untouched(all);
  made->sums = comity_memory_untouched(words);
  COMITY_REQUIRE(made->rooms != NULL && made->sums != NULL, COMITY_ERR_MEMORY,
                 "out of memory: cannot allocate %zu and %zu bytes", all, words);
  return COMITY_OK;
}

comity_status comity_aggregate_new(const comity_aggregator *aggregator, comity_comm *comm,
                                   const comity_layout *layout, comity_aggregate **aggregate) {
  size_t words;
  COMITY_REQUIRE(
      !__builtin_mul_overflow(layout->length, aggregator->word_bytes, &words) && words <= PTRDIFF_MAX - 1024,
      COMITY_ERR_MEMORY, "a message of %zu numbers is more than the address space holds", layout->length);
  comity_aggregate *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  *made = (comity_aggregate){
      .aggregator = aggregator, .comm = comm, .layout = *layout, .cohort = 1, .total_weight = 1};
  comity_status status = make_room(made, words);
  if (status == COMITY_OK)
    *aggregate = made;
  else
    comity_aggregate_destroy(&made);
  return status;
}

void comity_aggregate_destroy(comity_aggregate **aggregate) {
  if (aggregate == NULL || *aggregate == NULL)
    return;
  comity_free((*aggregate)->sums);
  comity_free((*aggregate)->rooms);
  comity_free(*aggregate);
  *aggregate = NULL;
}

void comity_aggregate_begin(comity_aggregate *aggregate, size_t cohort, double total_weight) {
  COMITY_ASSERT(cohort >= 1 && total_weight > 0);
  memset(aggregate->counters, 0, sizeof aggregate->counters);
  aggregate->fresh = true;
  aggregate->waiting = 0;
  aggregate->cohort = cohort;
  aggregate->total_weight = total_weight;
}

/* More clients or more weight than was announced would void the promise that sums cannot overflow. */
static comity_status check_counters(const comity_aggregate *aggregate, uint64_t present, double weight) {
  COMITY_REQUIRE(present <= aggregate->cohort && weight <= aggregate->total_weight, COMITY_ERR_ARG,
                 "aggregate: %llu clients with a weight of %.17g, but %zu with %.17g were announced",
                 (unsigned long long)present, weight, aggregate->cohort, aggregate->total_weight);
  return COMITY_OK;
}

/* A client's factor, and the part of the range of sums that is its own. A mean's shares sum to 1, so a
 * value's bound does not depend on who sends it; a sum's range is dealt equally. */
static double part_of(const comity_aggregate *aggregate, comity_combine combine, double weight,
                      double *factor) {
  double share = weight / aggregate->total_weight;
  *factor = combine == COMITY_COMBINE_MEAN ? share : 1;
  return combine == COMITY_COMBINE_MEAN ? share : 1 / (double)aggregate->cohort;
}

/* The part of a field that lies in [first, end) of the layout: [*from, *to), which may be empty. */
static void part_inside(const comity_field *field, size_t first, size_t end, size_t *from, size_t *to) {
  size_t last = field->offset + field->length;
  *from = first > field->offset ? first : field->offset;
  *to = end < last ? end : last;
}

/* Add what waits to sums [from, to) of one field, which are at `into`. */
static void fold_part(const comity_aggregate *aggregate, comity_combine combine, size_t from, size_t to,
                      uint8_t *into) {
  const comity_aggregator *aggregator = aggregate->aggregator;
  for (size_t at = from; at < to; at += BLOCK) {
    size_t block = to - at < BLOCK ? to - at : BLOCK;
    uint8_t *sums = into + (at - from) * aggregator->word_bytes;
    for (size_t i = 0; i < aggregate->waiting; i++) {
      double factor;
      (void)part_of(aggregate, combine, aggregate->weight[i], &factor);
      aggregator->add(sums, aggregate->rooms + i * aggregate->stride + at, block, factor,
                      aggregate->bound[i]);
    }
  }
}

/* Add what waits to sums [first, first + count), which are at `into`. */
static void fold(const comity_aggregate *aggregate, size_t first, size_t count, uint8_t *into) {
  const comity_layout *layout = &aggregate->layout;
  for (size_t i = 0; i < layout->count; i++) {
    size_t from, to;
    part_inside(&layout->field[i], first, first + count, &from, &to);
    if (from < to)
      fold_part(aggregate, layout->field[i].combine, from, to,
                into + (from - first) * aggregate->aggregator->word_bytes);
  }
}

/* All of this rank's clients, for comity_summing. */
static void add_sums(void *self, size_t first, size_t count, void *into) {
  const comity_aggregate *aggregate = self;
  if (!aggregate->fresh)
    aggregate->aggregator->merge(into, aggregate->sums + first * aggregate->aggregator->word_bytes, count);
  fold(aggregate, first, count, into);
}

/* Those that wait make room for others. */
static void make_way(comity_aggregate *aggregate) {
  size_t length = aggregate->layout.length, bytes = aggregate->aggregator->word_bytes;
  for (size_t at = 0; at < length; at += BLOCK) {
    size_t block = length - at < BLOCK ? length - at : BLOCK;
    if (aggregate->fresh)
      memset(aggregate->sums + at * bytes, 0, block * bytes);
    fold(aggregate, at, block, aggregate->sums + at * bytes);
  }
  aggregate->fresh = false;
  aggregate->waiting = 0;
}

float *comity_aggregate_room(comity_aggregate *aggregate) {
  if (aggregate->waiting == aggregate->most)
    make_way(aggregate);
  return aggregate->rooms + aggregate->waiting * aggregate->stride;
}

static comity_status check_fields(const comity_aggregate *aggregate, const float *fields, double weight,
                                  float bound) {
  const comity_layout *layout = &aggregate->layout;
  for (size_t i = 0; i < layout->count; i++) {
    const comity_field *field = &layout->field[i];
    const float *values = fields + field->offset;
    double factor, part = part_of(aggregate, field->combine, weight, &factor);
    size_t good = aggregate->aggregator->check(values, field->length, factor, part, bound);
    COMITY_REQUIRE(good == field->length, COMITY_ERR_NUMERIC, "field '%s': value %zu is %g, which is %s",
                   field->name, good, (double)values[good],
                   isfinite(values[good]) ? "too large to be summed; a smaller learning rate may help"
                                          : "not finite; a smaller learning rate may help");
  }
  return COMITY_OK;
}

comity_status comity_aggregate_add(comity_aggregate *aggregate, const float *fields, double weight) {
  return comity_aggregate_add_bounded(aggregate, fields, weight,
                                      comity_passes_best()->largest(fields, aggregate->layout.length));
}

comity_status comity_aggregate_add_bounded(comity_aggregate *aggregate, const float *fields, double weight,
                                           float largest) {
  COMITY_REQUIRE(weight >= 0 && weight <= LARGEST_WHOLE && weight == floor(weight), COMITY_ERR_ARG,
                 "aggregate: a weight of %g is not a whole number from 0 to 2^53", weight);
  COMITY_TRY(check_counters(aggregate, aggregate->counters[PRESENT] + 1,
                            (double)aggregate->counters[WEIGHT] + weight));
  COMITY_TRY(check_fields(aggregate, fields, weight, largest));
  float *room = comity_aggregate_room(aggregate);
  if (fields != room)
    memcpy(room, fields, aggregate->layout.length * sizeof *room);
  aggregate->bound[aggregate->waiting] = largest;
  aggregate->weight[aggregate->waiting++] = weight;
  aggregate->counters[PRESENT]++;
  aggregate->counters[WEIGHT] += (uint64_t)weight;
  return COMITY_OK;
}

/* Sums on the server become combined fields. A mean was divided by the weight of the whole cohort; now that
 * it is known who is there, by theirs: a factor of exactly 1 when that is everybody. */
static void read_sums(void *self, size_t first, size_t count, const void *sums) {
  const comity_aggregate *aggregate = self;
  const comity_layout *layout = &aggregate->layout;
  double weight = (double)aggregate->head[WEIGHT];
  double mean = weight > 0 ? aggregate->total_weight / weight : 0;
  for (size_t i = 0; i < layout->count; i++) {
    const comity_field *field = &layout->field[i];
    size_t from, to;
    part_inside(field, first, first + count, &from, &to);
    if (from < to)
      aggregate->aggregator->read((const uint8_t *)sums + (from - first) * aggregate->aggregator->word_bytes,
                                  to - from, field->combine == COMITY_COMBINE_MEAN ? mean : 1,
                                  aggregate->combined + from);
  }
}

comity_status comity_aggregate_sum(comity_aggregate *aggregate, float *combined) {
  bool server = comity_comm_is_server(aggregate->comm), alone = comity_comm_size(aggregate->comm) == 1;
  comity_summing how = {.only_receives = server && !alone && aggregate->counters[PRESENT] == 0,
                        .self = aggregate,
                        .add = add_sums,
                        .take = read_sums};
  aggregate->combined = combined;
  memcpy(aggregate->head, aggregate->counters, sizeof aggregate->head);
  return aggregate->aggregator->sum(aggregate->comm, aggregate->head, aggregate->layout.length, &how);
}

bool comity_aggregate_is_finite(const comity_aggregate *aggregate) { return aggregate->aggregator->finite; }

comity_status comity_aggregate_present(const comity_aggregate *aggregate, size_t *present) {
  COMITY_TRY(check_counters(aggregate, aggregate->head[PRESENT], (double)aggregate->head[WEIGHT]));
  *present = (size_t)aggregate->head[PRESENT];
  return COMITY_OK;
}
