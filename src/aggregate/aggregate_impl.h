/* Inside src/aggregate: the two halves of comity_fixed_add, and the tables of the list. */
#ifndef COMITY_AGGREGATE_IMPL_H
#define COMITY_AGGREGATE_IMPL_H

#include <comity/aggregate.h>

/* Most magnitude of the sum of all clients, in fixed-point words; as much again is left for rounding. */
#define COMITY_FIXED_RANGE 0x1p62

/* How many values, with magnitudes up to `bound`, stand before the first that is not finite or whose
 * |weight * value * 2^bits| is above limit; count when there is none. */
size_t comity_fixed_check(const float *values, size_t count, double weight, double limit, float bound);
/* Add values that passed the check. */
void comity_fixed_fold(const float *values, size_t count, double weight, float bound, uint64_t *words);

extern const comity_aggregator comity_aggregator_exact, comity_aggregator_float32;

#endif
