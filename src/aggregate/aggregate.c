/* The accumulator: one client's fields after the other into one sum, all of a client or nothing, and one
 * collective at the end. */
#include "aggregate_impl.h"

#include <math.h>
#include <string.h>

/* What is counted beside the fields, exactly, whatever the aggregator. */
enum { PRESENT, WEIGHT, COUNTERS };

static const double LARGEST_WHOLE = 0x1p53; /* up to here every whole number is a double */

struct comity_aggregate {
  const comity_aggregator *aggregator;
  comity_layout layout;
  uint8_t *sums;      /* (layout.length) words of the aggregator, then the counters */
  uint64_t *counters; /* (COUNTERS) */
  size_t bytes;       /* of both */
  size_t cohort;
  double total_weight;
};

comity_status comity_aggregate_new(const comity_aggregator *aggregator, const comity_layout *layout,
                                   comity_aggregate **aggregate) {
  size_t words;
  COMITY_REQUIRE(
      !__builtin_mul_overflow(layout->length, aggregator->word_bytes, &words) && words <= PTRDIFF_MAX - 1024,
      COMITY_ERR_MEMORY, "a message of %zu numbers is more than the address space holds", layout->length);
  comity_aggregate *made;
  COMITY_TRY(COMITY_NEW(made, 1));
  size_t before = (words + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
  *made = (comity_aggregate){.aggregator = aggregator,
                             .layout = *layout,
                             .bytes = before + COUNTERS * sizeof(uint64_t),
                             .cohort = 1,
                             .total_weight = 1};
  comity_status status = COMITY_NEW(made->sums, made->bytes);
  if (status != COMITY_OK) {
    comity_free(made);
    return status;
  }
  made->counters = (uint64_t *)(void *)(made->sums + before);
  *aggregate = made;
  return COMITY_OK;
}

void comity_aggregate_destroy(comity_aggregate **aggregate) {
  if (aggregate == NULL || *aggregate == NULL)
    return;
  comity_free((*aggregate)->sums);
  comity_free(*aggregate);
  *aggregate = NULL;
}

void comity_aggregate_begin(comity_aggregate *aggregate, size_t cohort, double total_weight) {
  COMITY_ASSERT(cohort >= 1 && total_weight > 0);
  memset(aggregate->sums, 0, aggregate->bytes);
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

comity_status comity_aggregate_add(comity_aggregate *aggregate, const float *fields, double weight) {
  const comity_aggregator *aggregator = aggregate->aggregator;
  const comity_layout *layout = &aggregate->layout;
  double factor;
  COMITY_REQUIRE(weight >= 0 && weight <= LARGEST_WHOLE && weight == floor(weight), COMITY_ERR_ARG,
                 "aggregate: a weight of %g is not a whole number from 0 to 2^53", weight);
  COMITY_TRY(check_counters(aggregate, aggregate->counters[PRESENT] + 1,
                            (double)aggregate->counters[WEIGHT] + weight));
  for (size_t i = 0; i < layout->count; i++) {
    const comity_field *field = &layout->field[i];
    const float *values = fields + field->offset;
    double part = part_of(aggregate, field->combine, weight, &factor);
    size_t good = aggregator->check(values, field->length, factor, part);
    COMITY_REQUIRE(good == field->length, COMITY_ERR_NUMERIC, "field '%s': value %zu is %g, which is %s",
                   field->name, good, (double)values[good],
                   isfinite(values[good]) ? "too large to be summed; a smaller learning rate may help"
                                          : "not finite; a smaller learning rate may help");
  }
  for (size_t i = 0; i < layout->count; i++) {
    const comity_field *field = &layout->field[i];
    (void)part_of(aggregate, field->combine, weight, &factor);
    aggregator->add(aggregate->sums + field->offset * aggregator->word_bytes, fields + field->offset,
                    field->length, factor);
  }
  aggregate->counters[PRESENT]++;
  aggregate->counters[WEIGHT] += (uint64_t)weight;
  return COMITY_OK;
}

/* Sums on the server become combined fields. A mean was divided by the weight of the whole cohort; now that
 * it is known who is there, by theirs: a factor of exactly 1 when that is everybody. */
static void read_fields(const comity_aggregate *aggregate, float *combined) {
  const comity_layout *layout = &aggregate->layout;
  double weight = (double)aggregate->counters[WEIGHT];
  double mean = weight > 0 ? aggregate->total_weight / weight : 0;
  for (size_t i = 0; i < layout->count; i++) {
    const comity_field *field = &layout->field[i];
    aggregate->aggregator->read(aggregate->sums + field->offset * aggregate->aggregator->word_bytes,
                                field->length, field->combine == COMITY_COMBINE_MEAN ? mean : 1,
                                combined + field->offset);
  }
}

comity_status comity_aggregate_finish(comity_aggregate *aggregate, comity_comm *comm, float *combined,
                                      size_t *present) {
  COMITY_TRY(aggregate->aggregator->sum(comm, aggregate->sums, aggregate->layout.length, COUNTERS));
  if (!comity_comm_is_server(comm))
    return COMITY_OK;
  COMITY_TRY(check_counters(aggregate, aggregate->counters[PRESENT], (double)aggregate->counters[WEIGHT]));
  read_fields(aggregate, combined);
  *present = (size_t)aggregate->counters[PRESENT];
  return COMITY_OK;
}
