/* What the files of the roofline report share: what this machine can do at most, and how it is written down. */
#ifndef ROOFLINE_H
#define ROOFLINE_H

#include <comity/core.h>

/* Where data live. What is measured with a working set of half the cache (or well past all of them). */
typedef enum place { PLACE_L1, PLACE_L2, PLACE_L3, PLACE_MEMORY, PLACES } place;

typedef struct machine {
  const char *instructions; /* that the peak was measured with */
  double peak;              /* multiply-adds in registers, floating point operations a second, one core */
  size_t size[PLACES];      /* bytes; of memory 0 */
  size_t
      measured[PLACES];  /* bytes of the working set; 0 = there is no such level, or it is too large to try */
  double read[PLACES];   /* bytes a second */
  double modify[PLACES]; /* x <- c x: bytes read plus bytes written a second */
  double gemm;           /* the best matrix product, operations a second */
  char gemm_of[64];      /* library and size */
} machine;

/* Fill in all but gemm. `seconds` is spent on each figure. */
void machine_measure(machine *m, double seconds);
/* The fastest product of several sizes with each library that Comity uses here; one row each. */
comity_status gemm_measure(machine *m, double seconds, FILE *csv);
/* The smallest level that holds this many bytes. */
place machine_place(const machine *m, size_t bytes);
extern const char *const place_name[PLACES];

/* The median of what call(context) takes, over runs that are long enough for the clock and `seconds` in all. */
double time_call(void (*call)(void *context), void *context, double seconds);
/* The fastest of them: what the machine can do when nothing disturbs it. */
double fastest_call(void (*call)(void *context), void *context, double seconds);

/* Sorts the values. */
double median(double *values, size_t count);

/* One model's training step against the machine: text to stdout, rows to csv. */
comity_status steps_report(const machine *m, const char *job, const char *data, double seconds, FILE *csv);

#endif
