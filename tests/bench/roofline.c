/* bench_roofline CSV SECONDS JOB DATA [JOB DATA ...]: how near a training step comes to what one core can do. Measures the core
 * first, then the models of the jobs with examples of their datasets. A table goes to stdout, the same as rows to CSV. */
#include "roofline.h"

#include <stdlib.h>

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_size);
  return values[count / 2];
}

enum { SAMPLES_MOST = 101, LONG_ENOUGH_US = 200 };

static size_t take_samples(void (*call)(void *context), void *context, double seconds,
                           double sample[SAMPLES_MOST]) {
  size_t repeat = 1, count = 0;
  call(context); /* caches and page tables are warm from here on */
  for (;;) {     /* how often is long enough for the clock? */
    double begin = comity_clock_now();
    for (size_t i = 0; i < repeat; i++)
      call(context);
    if (comity_clock_now() - begin > LONG_ENOUGH_US * 1e-6)
      break;
    repeat *= 2;
  }
  for (double end = comity_clock_now() + seconds;
       count < 3 || (count < SAMPLES_MOST && comity_clock_now() < end);) {
    double begin = comity_clock_now();
    for (size_t i = 0; i < repeat; i++)
      call(context);
    sample[count++] = (comity_clock_now() - begin) / (double)repeat;
  }
  return count;
}

double time_call(void (*call)(void *context), void *context, double seconds) {
  double sample[SAMPLES_MOST];
  return median(sample, take_samples(call, context, seconds, sample));
}

double fastest_call(void (*call)(void *context), void *context, double seconds) {
  double sample[SAMPLES_MOST];
  (void)median(sample, take_samples(call, context, seconds, sample)); /* sorts */
  return sample[0];
}

place machine_place(const machine *m, size_t bytes) {
  for (place p = PLACE_L1; p < PLACE_MEMORY; p++)
    if (m->measured[p] > 0 && bytes <= m->size[p])
      return p;
  return m->measured[PLACE_MEMORY] > 0 ? PLACE_MEMORY : PLACE_L3;
}

static void print_machine(const machine *m, FILE *csv) {
  printf("one core: %.0f GFLOP/s peak (%s, multiply-add in registers)\n", m->peak * 1e-9, m->instructions);
  fprintf(csv, "peak,%s,%.4g,GFLOP/s\n", m->instructions, m->peak * 1e-9);
  printf("best product: %.0f GFLOP/s, %.0f %% of it (%s)\n\n", m->gemm * 1e-9, 100 * m->gemm / m->peak,
         m->gemm_of);
  fprintf(csv, "gemm,best %s,%.4g,GFLOP/s\n", m->gemm_of, m->gemm * 1e-9);
  printf("%-8s %12s %12s %18s\n", "", "working set", "read GB/s", "read+write GB/s");
  for (place p = PLACE_L1; p < PLACES; p++) {
    if (m->measured[p] == 0)
      continue;
    printf("%-8s %8.0f KiB %12.0f %18.0f\n", place_name[p], (double)m->measured[p] / 1024, m->read[p] * 1e-9,
           m->modify[p] * 1e-9);
    fprintf(csv, "bandwidth,%s read,%.4g,GB/s\nbandwidth,%s read and write,%.4g,GB/s\n", place_name[p],
            m->read[p] * 1e-9, place_name[p], m->modify[p] * 1e-9);
  }
}

int main(int argc, char **argv) {
  if (argc < 5 || argc % 2 == 0) {
    fprintf(stderr, "usage: bench_roofline CSV SECONDS JOB DATA [JOB DATA ...]\n");
    return 64;
  }
  FILE *csv = fopen(argv[1], "w");
  if (csv == NULL) {
    perror(argv[1]);
    return 73;
  }
  fprintf(csv, "kind,name,value,unit\n");
  double seconds = atof(argv[2]);
  machine m;
  machine_measure(&m, seconds);
  comity_status status = gemm_measure(&m, seconds, csv);
  if (status == COMITY_OK)
    print_machine(&m, csv);
  for (int i = 3; i < argc && status == COMITY_OK; i += 2)
    status = steps_report(&m, argv[i], argv[i + 1], seconds, csv);
  if (status != COMITY_OK)
    fprintf(stderr, "bench_roofline: %s\n", comity_error_message());
  if (fclose(csv) != 0 && status == COMITY_OK) {
    perror(argv[1]);
    return 74;
  }
  return status == COMITY_OK ? 0 : 1;
}
