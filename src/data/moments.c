/* Mean and standard deviation over all examples, from sums that are exact in any order.
 *
 * A client's sum of a feature is made in double, in the order of its rows, and rounded once to a multiple of
 * 2^-71. It is kept in three words that are each summed modulo 2^64: multiples of 2^7, then those of 2^-32
 * that remain, then those of 2^-71, the latter two below 2^39 in size. So 2^24 clients and 2^30 examples with
 * a mean square up to 2^40 cannot overflow, and the squares of features as small as 1e-9 do not vanish. */
#include "data_impl.h"

#include <math.h>

enum { WORDS_EACH = 3 };
static const double unit[WORDS_EACH] = {0x1p7, 0x1p-32, 0x1p-71};

#define LARGEST_MEAN 0x1p40

static comity_status client_sums(const comity_examples *examples, const float *mean, double *sums, float *row,
                                 float *label) {
  comity_examples raw = *examples;
  raw.mean = raw.inverse = NULL;
  for (size_t i = 0; i < raw.count; i++) {
    comity_examples_batch(&raw, NULL, i, 1, row, label);
    if (mean == NULL)
      for (size_t j = 0; j < raw.width; j++)
        sums[j] += (double)row[j];
    else
      for (size_t j = 0; j < raw.width; j++) {
        double centred = (double)row[j] - (double)mean[j];
        sums[j] += centred * centred;
      }
  }
  for (size_t j = 0; j < raw.width; j++)
    COMITY_REQUIRE(fabs(sums[j]) <= LARGEST_MEAN * (double)raw.count, COMITY_ERR_NUMERIC,
                   "feature %zu is not finite or too large to be standardised; divide it by a constant first",
                   j);
  return COMITY_OK;
}

comity_status comity_moments_add(const comity_examples *examples, const float *mean, uint64_t *words) {
  double *sums = comity_array(examples->width, sizeof *sums);
  float *row = comity_array(examples->width, sizeof *row),
        *label = comity_array(examples->targets, sizeof *label);
  comity_status status = sums == NULL || row == NULL || label == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  if (status == COMITY_OK)
    status = client_sums(examples, mean, sums, row, label);
  if (status == COMITY_OK) {
    words[0] += examples->count;
    for (size_t j = 0; j < examples->width; j++) {
      double rest = sums[j]; /* every part has its sign, so that all differences are exact */
      uint64_t *own = words + 1 + WORDS_EACH * j;
      for (size_t k = 0; k < WORDS_EACH; k++) {
        double multiple = k + 1 < WORDS_EACH ? trunc(rest / unit[k]) : rint(rest / unit[k]);
        own[k] += (uint64_t)(int64_t)multiple;
        rest -= multiple * unit[k];
      }
    }
  }
  comity_free(sums);
  comity_free(row);
  comity_free(label);
  return status;
}

void comity_moments_finish(const uint64_t *words, size_t width, bool second_pass, float *result) {
  double count = (double)words[0];
  for (size_t j = 0; j < width; j++) {
    const uint64_t *own = words + 1 + WORDS_EACH * j;
    double sum = (double)(int64_t)own[0] * unit[0] +
                 ((double)(int64_t)own[1] * unit[1] + (double)(int64_t)own[2] * unit[2]);
    if (!second_pass)
      result[j] = count > 0 ? (float)(sum / count) : 0;
    else
      result[j] = count > 1 && sum > 0 ? (float)(1 / sqrt(sum / (count - 1))) : 1;
  }
}
