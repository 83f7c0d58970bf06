/* The recorder's inside, for the summary. */
#ifndef COMITY_RECORDER_IMPL_H
#define COMITY_RECORDER_IMPL_H

#include "metrics_impl.h"

#include <sys/types.h>

/* A text file that grows by whole lines. */
typedef struct comity_lines {
  char *path;
  int handle;
  off_t length; /* where the last whole line ended */
} comity_lines;

struct comity_recorder {
  comity_history history;
  comity_lines jsonl, csv;
  char *results, *clients, *job;
  bool stale; /* results.h5 lacks something */
  double due; /* when it may be written next */
};

#endif
