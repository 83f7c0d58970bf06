/* What the importers share: reading .gz or plain files, and a table of names. */
#ifndef COMITY_IMPORT_IMPL_H
#define COMITY_IMPORT_IMPL_H

#include "core/core_impl.h"

#include <zlib.h>

/* Open a plain or gzipped file. COMITY_ERR_NOT_FOUND, _PERMISSION, _IO, _MEMORY. */
COMITY_MUST_CHECK comity_status comity_gz_open(const char *path, gzFile *file);
/* Read up to `size` bytes; fewer only at the end. COMITY_ERR_DATA when the compressed stream is torn. */
COMITY_MUST_CHECK comity_status comity_gz_read(const char *path, gzFile file, void *buffer, size_t size,
                                               size_t *got);
/* The file's name without its folders. */
const char *comity_path_base(const char *path);
/* Accepts NULL. */
void comity_gz_close(gzFile *file);

/* Different texts, numbered in order of appearance, found by hashing. */
typedef struct comity_names comity_names;
#define COMITY_NAME_NONE SIZE_MAX
COMITY_MUST_CHECK comity_status comity_names_new(comity_names **names);
void comity_names_destroy(comity_names **names);
size_t comity_names_count(const comity_names *names);
/* Borrowed until destroy. */
const char *comity_names_get(const comity_names *names, size_t index);
/* COMITY_NAME_NONE when it is not there. */
size_t comity_names_find(const comity_names *names, const char *name);
/* Add unless it is there; *index is its number either way. */
COMITY_MUST_CHECK comity_status comity_names_add(comity_names *names, const char *name, size_t *index);
/* Renumber: by value where all names are numbers, else by their bytes. */
void comity_names_sort(comity_names *names);

/* Parse the whole text as a decimal number in the C locale of the caller; "inf", "nan" and hex are none.
 * What overflows becomes an infinity. */
bool comity_number_parse(const char *text, double *value);

/* How many of `count` examples are for training when a fraction is held out: floor((1 - fraction) * count).
 */
size_t comity_train_part(size_t count, double fraction);

#endif
