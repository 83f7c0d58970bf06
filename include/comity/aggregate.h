/** \file aggregate.h
 *  Many updates become one. Each rank folds its clients' packed fields into one accumulator; one collective
 * sum brings the combined fields to the server. The exact aggregator counts in 64-bit fixed point, so the
 * result is the same, bit for bit, whatever the number of ranks and the order of arrival.
 */
#ifndef COMITY_AGGREGATE_H
#define COMITY_AGGREGATE_H

#include <comity/comm.h>
#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Fraction bits of the fixed point: values are multiples of 2^-40 (9.1e-13). */
#define COMITY_FIXED_BITS 40

/** Weighted value to fixed point: round(weight * value * 2^bits), to nearest, ties to even.
 *  \param[in]     values  (count)
 *  \param[in]     limit   <= 2^62, largest magnitude of weight * value * 2^bits; the sum of all clients'
 * limits stays below 2^63
 *  \param[in,out] words   (count) added to modulo 2^64
 *  \return COMITY_OK, or COMITY_ERR_NUMERIC naming the first value that is too large or not finite; words
 * then unchanged */
COMITY_API COMITY_MUST_CHECK comity_status comity_fixed_add(const float *values, size_t count, double weight,
                                                            double limit, uint64_t *words);
/** Fixed point back to float: words * 2^-bits * factor, in double and then rounded to float. */
COMITY_API void comity_fixed_read(const uint64_t *words, size_t count, double factor, float *values);
/** One double as fixed point with 40 fraction bits, for metrics; saturates at +-2^62. NaN counts as
 * saturation. */
COMITY_API uint64_t comity_fixed_from(double value);
COMITY_API double comity_fixed_to(uint64_t word);

typedef struct comity_aggregate comity_aggregate;

/** Words of 64 bits that travel ahead of the sums, whatever the aggregator. */
enum { COMITY_AGGREGATE_HEAD = 8 };

/** One way of combining. */
typedef struct comity_aggregator {
  const char *name;    /* "exact" | "float32" */
  const char *summary; /* one line */
  size_t word_bytes;   /* of one accumulated number */
  bool finite;         /* whether what is read is sure to be finite */
  /** REQUIRED. How many values stand before the first that cannot be added; count when all can.
   *  \param[in] part   of the range of sums, what this client may use of it; all clients' parts sum to <= 1
   *  \param[in] bound  no value's magnitude is larger, unless it is infinite or NaN: then nothing is known */
  size_t (*check)(const float *values, size_t count, double weight, double part, float bound);
  /** REQUIRED. Add weight * values, which passed the check. */
  void (*add)(void *sums, const float *values, size_t count, double weight, float bound);
  /** REQUIRED. Add sums to sums. */
  void (*merge)(void *sums, const void *more, size_t count);
  /** REQUIRED. Collective: sum over ranks, onto the server, exactly the COMITY_AGGREGATE_HEAD words at `head`, and
   * `count` sums which `how` adds and takes. The head is complete before any is taken. */
  comity_status (*sum)(comity_comm *comm, uint64_t *head, size_t count, const comity_summing *how);
  /** REQUIRED. factor * sums. */
  void (*read)(const void *sums, size_t count, double factor, float *values);
} comity_aggregator;

COMITY_API const comity_aggregator *const *comity_aggregator_list(size_t *count);
COMITY_API COMITY_MUST_CHECK comity_status comity_aggregator_find(const char *name,
                                                                  const comity_aggregator **aggregator);

/** An accumulator for messages of this layout, in memory of `comm`, which is borrowed until it is destroyed.
 *  Not collective. The layout is copied. */
COMITY_API COMITY_MUST_CHECK comity_status comity_aggregate_new(const comity_aggregator *aggregator,
                                                                comity_comm *comm,
                                                                const comity_layout *layout,
                                                                comity_aggregate **aggregate);
COMITY_API void comity_aggregate_destroy(comity_aggregate **aggregate);

/** Begin a round: forget all sums.
 *  \param[in] cohort        clients that may contribute, >= 1
 *  \param[in] total_weight  sum of their weights, > 0, the same on all ranks */
COMITY_API void comity_aggregate_begin(comity_aggregate *aggregate, size_t cohort, double total_weight);

/** Room for the next client's packed fields, to be handed to comity_aggregate_add without a copy: what is
 *  trained there is summed from there. Contents are anything. Not collective.
 *  \return shape (layout length), borrowed until the next add or sum */
COMITY_API float *comity_aggregate_room(comity_aggregate *aggregate);

/** Take in one client's packed fields; all or nothing. Not collective.
 *  Bounds of the exact aggregator: in a MEAN, 2^22 in magnitude; in a SUM, 2^22 / cohort.
 *  \param[in] weight  >= 0, a whole number (examples, or 1)
 *  \return COMITY_OK, COMITY_ERR_NUMERIC naming the field and index, COMITY_ERR_ARG for more clients or
 * weight than announced */
COMITY_API COMITY_MUST_CHECK comity_status comity_aggregate_add(comity_aggregate *aggregate,
                                                                const float *fields, double weight);
/** The same when the largest magnitude in the fields is known already, infinite or NaN if one is: saves a pass over
 *  them. */
COMITY_API COMITY_MUST_CHECK comity_status comity_aggregate_add_bounded(comity_aggregate *aggregate,
                                                                        const float *fields, double weight,
                                                                        float largest);

/** Bring the sums of all ranks to the server and read what they come to. Collective. Updates are added up, and
 *  sums read, piece by piece while other pieces travel. What this rank has taken in stays as it is: a sum that was
 *  interrupted can run again, also after more clients were added.
 *  \param[out] combined  (layout length) on the server, may be NULL elsewhere; all zero when nobody was taken in,
 *              as is a mean without weight
 *  \return COMITY_OK, COMITY_INTERRUPTED, COMITY_ERR_TIMEOUT, COMITY_ERR_COMM; `combined` is then unspecified */
COMITY_API COMITY_MUST_CHECK comity_status comity_aggregate_sum(comity_aggregate *aggregate, float *combined);

/** Whether combined fields are sure to be finite. */
COMITY_API bool comity_aggregate_is_finite(const comity_aggregate *aggregate);

/** On the server, afterwards: who was in it. Not collective.
 *  \param[out] present  clients that were taken in
 *  \return COMITY_OK, COMITY_ERR_ARG for more clients or weight than announced */
COMITY_API COMITY_MUST_CHECK comity_status comity_aggregate_present(const comity_aggregate *aggregate,
                                                                    size_t *present);

#ifdef __cplusplus
}
#endif
#endif
