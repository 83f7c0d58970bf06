/* Area under the ROC curve, as the Mann-Whitney statistic in whole numbers: exact, whatever the order of the
 * examples. */
#include <comity/metrics.h>

#include <math.h>
#include <stdlib.h>

typedef struct scored {
  float score;
  bool positive;
} scored;

static int ascending(const void *left, const void *right) {
  float a = ((const scored *)left)->score, b = ((const scored *)right)->score;
  return (a > b) - (a < b);
}

comity_status comity_auc(const float *score, const float *label, size_t count, double *auc) {
  scored *sorted;
  COMITY_TRY(COMITY_NEW(sorted, count));
  uint64_t positives = 0, negatives = 0, twice = 0;
  bool finite = true;
  for (size_t i = 0; i < count; i++) {
    sorted[i] = (scored){score[i], label[i] > 0.5F};
    finite = finite && !isnan(score[i]);
    positives += sorted[i].positive;
  }
  if (finite && positives > 0 && positives < count) {
    qsort(sorted, count, sizeof *sorted, ascending);
    for (size_t first = 0, next; first < count; first = next) { /* groups of equal scores */
      uint64_t here[2] = {0, 0};
      for (next = first; next < count && sorted[next].score == sorted[first].score; next++)
        here[sorted[next].positive]++;
      twice += here[1] * (2 * negatives + here[0]);
      negatives += here[0];
    }
    *auc = (double)twice / (2.0 * (double)positives * (double)negatives);
  } else
    *auc = NAN; /* one class is missing, or the model diverged: no order */
  comity_free(sorted);
  return COMITY_OK;
}
