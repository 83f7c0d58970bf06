/* How a metric is distributed over clients. */
#include <comity/metrics.h>

#include <math.h>
#include <stdlib.h>

static int ascending(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

/* Sums run over the sorted values, so that the order in which clients reported does not matter. */
comity_distribution comity_distribution_of(double *values, size_t count) {
  comity_distribution d = {NAN, NAN, NAN, NAN};
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (!isnan(values[i])) { /* measured ones to the front */
      double kept = values[i];
      values[i] = values[n];
      values[n++] = kept;
    }
  if (n == 0)
    return d;
  qsort(values, n, sizeof *values, ascending);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++)
    sum += values[i];
  d.mean = sum / (double)n;
  for (size_t i = 0; i < n; i++)
    squares += (values[i] - d.mean) * (values[i] - d.mean);
  d.variance = squares / (double)n;
  d.worst = values[0];
  double place = 0.1 * (double)(n - 1);
  size_t below = (size_t)place;
  double part = place - (double)below;
  d.percentile10 = part == 0 ? values[below] : values[below] + part * (values[below + 1] - values[below]);
  return d;
}
