/* The recorder's inside: its text files, and what the summary looks at. */
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

/* Replace the file by whole lines, and append from there. */
COMITY_MUST_CHECK comity_status comity_lines_open(comity_lines *lines, const char *folder, const char *name,
                                                  const char *text, size_t length);
/* Append to a file behind its first `kept` bytes; what follows them is cut off. */
COMITY_MUST_CHECK comity_status comity_lines_reopen(comity_lines *lines, const char *folder, const char *name,
                                                    uint64_t kept);
/* Append; then either keep what was written, or cut it off when it could not be written whole. */
COMITY_MUST_CHECK comity_status comity_lines_write(const comity_lines *lines, const char *text,
                                                   size_t length);
void comity_lines_keep(comity_lines *lines, size_t length);
void comity_lines_cut(const comity_lines *lines);
COMITY_MUST_CHECK comity_status comity_lines_flush(const comity_lines *lines);
void comity_lines_close(comity_lines *lines);

struct comity_recorder {
  comity_history history;
  comity_lines jsonl, csv, events;
  double start; /* clock when the records were opened */
  char *results, *clients, *job;
  bool stale; /* results.h5 lacks something */
  double due; /* when it may be written next */
};

#endif
