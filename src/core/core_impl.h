/* What several folders need and no user: HDF5 with errors that name the file, and files that appear whole or
 * not at all. */
#ifndef COMITY_CORE_IMPL_H
#define COMITY_CORE_IMPL_H

#include <comity/core.h>

#include <hdf5.h>

/* Make room for at least `needed` elements of `size` bytes in the array that the pointer at `memory` points to and that has
 * *room of them; what is there stays, the rest is zero. On failure all is as before. */
COMITY_MUST_CHECK comity_status comity_array_grow(void *memory, size_t *room, size_t needed, size_t size);

/* Memory that nobody has touched yet, so that pages which nobody needs cost nothing: for what is large. NULL when there is
 * none. Owned by the caller; free with comity_free. */
void *comity_memory_untouched(size_t bytes);

/* HDF5 prints its error stack to stderr unless told not to, by every thread where it is built for several; Comity puts the
 * reason into its own error record. The functions below that may be a thread's first see to it; whoever calls HDF5 directly
 * has to. */
void comity_h5_quiet(void);
/* Open for reading. COMITY_ERR_NOT_FOUND, _PERMISSION, or _DATA when the file is no HDF5 file or is
 * truncated. */
COMITY_MUST_CHECK comity_status comity_h5_open(const char *path, hid_t *file);
/* Create or replace. */
COMITY_MUST_CHECK comity_status comity_h5_create(const char *path, hid_t *file);
/* Close what comity_h5_create made; reports data that could not be written. */
COMITY_MUST_CHECK comity_status comity_h5_close(const char *path, hid_t file);
/* Close what comity_h5_create made without a word, after a failure: its contents are worth nothing. */
void comity_h5_discard(hid_t file);
/* Fail with this text and HDF5's own innermost reason. A full disk becomes COMITY_ERR_FULL whatever `status`
 * says. */
comity_status comity_h5_fail(comity_status status, const char *format, ...) COMITY_PRINTF(2, 3);

/* Write a whole dataset (rank 0 = scalar). `path` is for errors only. */
COMITY_MUST_CHECK comity_status comity_h5_write(const char *path, hid_t parent, const char *name,
                                                hid_t memory_type, int rank, const hsize_t *shape,
                                                const void *values);
/* Read a whole dataset whose extent must be exactly `count` elements; converts to memory_type. */
COMITY_MUST_CHECK comity_status comity_h5_read(const char *path, hid_t parent, const char *name,
                                               hid_t memory_type, size_t count, void *values);
/* A text of any length as a scalar dataset, fixed-length UTF-8. *text is owned by the caller; free with
 * comity_free. */
COMITY_MUST_CHECK comity_status comity_h5_write_string(const char *path, hid_t parent, const char *name,
                                                       const char *text);
COMITY_MUST_CHECK comity_status comity_h5_read_string(const char *path, hid_t parent, const char *name,
                                                      char **text);
/* Attributes: numbers are stored as int64 or double, text as fixed-length UTF-8. */
COMITY_MUST_CHECK comity_status comity_h5_write_text(const char *path, hid_t object, const char *name,
                                                     const char *text);
COMITY_MUST_CHECK comity_status comity_h5_write_integer(const char *path, hid_t object, const char *name,
                                                        int64_t value);
COMITY_MUST_CHECK comity_status comity_h5_write_real(const char *path, hid_t object, const char *name,
                                                     double value);
/* *text is owned by the caller; free with comity_free. Reads fixed- and variable-length strings. */
COMITY_MUST_CHECK comity_status comity_h5_read_text(const char *path, hid_t object, const char *name,
                                                    char **text);
COMITY_MUST_CHECK comity_status comity_h5_read_integer(const char *path, hid_t object, const char *name,
                                                       int64_t *value);
COMITY_MUST_CHECK comity_status comity_h5_read_real(const char *path, hid_t object, const char *name,
                                                    double *value);
/* Whether the attribute exists. */
bool comity_h5_has(hid_t object, const char *name);

/* Write a whole file aside by `writer` and commit it; nothing is left of it on failure. */
typedef comity_status comity_h5_writer(const char *path, hid_t file, const void *context);
COMITY_MUST_CHECK comity_status comity_h5_replace(const char *path, comity_h5_writer *writer,
                                                  const void *context);

/* Flush `aside` to the disk and give it the name `path`, replacing what was there, in one step. */
COMITY_MUST_CHECK comity_status comity_file_commit(const char *aside, const char *path);
/* Flush the entries of the folder that holds `path`. */
COMITY_MUST_CHECK comity_status comity_folder_flush(const char *path);
/* Create the folder and those above it; existing ones are fine. */
COMITY_MUST_CHECK comity_status comity_folder_make(const char *path);
/* Remove a file or folder with all in it; a missing one is fine. */
COMITY_MUST_CHECK comity_status comity_folder_remove(const char *path);
/* Read a whole file; *text gets a NUL after `length` bytes; owned by the caller, free with comity_free. */
COMITY_MUST_CHECK comity_status comity_file_read(const char *path, char **text, size_t *length);
/* Write a whole file aside and commit it. */
COMITY_MUST_CHECK comity_status comity_file_write(const char *path, const char *text, size_t length);

/* The candidate with the least edit distance to `word` (neighbours swapped count once, upper case as lower
 * case), the first of several; NULL when there is none. For "did you mean". */
const char *comity_nearest(const char *word, const char *const *candidates, size_t count);
/* The place of `word` in `names`, or COMITY_ERR_CONFIG: "<where>: there is no <kind> '<word>'; did you mean ...? Known are ...".
 * `where` may be NULL. */
COMITY_MUST_CHECK comity_status comity_word_find(const char *where, const char *kind, const char *word,
                                                 const char *const *names, size_t count, size_t *index);

#endif
