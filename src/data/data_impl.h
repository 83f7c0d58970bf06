/* What the files of this folder share: stored tables, the layouts that are made of them, and the cache. */
#ifndef COMITY_DATA_IMPL_H
#define COMITY_DATA_IMPL_H

#include <comity/data.h>

#include "core/core_impl.h"

/* The HDF5 type of values in memory. Not to be closed. */
hid_t comity_dtype_h5(comity_dtype type);
/* The type in which values of this HDF5 type are kept in memory: the same one where Comity has it, float for
 * half precision, double for wider integers. false when they are no numbers. */
bool comity_dtype_from_h5(hid_t type, comity_dtype *result);

/* ------------------------------------------------------------------------------------------ stored tables */

/* Two HDF5 datasets with a row for each example. */
typedef struct comity_table {
  const char *path;   /* borrowed */
  const char *folder; /* "", "test/", "examples/<client>/": goes before names in messages; borrowed */
  hid_t x, y, x_space, y_space, transfer;
  int x_rank, y_rank;
  hsize_t x_row[1 + COMITY_SHAPE_MAX],
      y_row[2]; /* extents of one row as stored; [0] is replaced by a count */
  uint64_t rows;
  comity_dtype type;
  size_t shape_rank, shape[COMITY_SHAPE_MAX], width, targets;
  double scale;
  bool whole;         /* labels are of an integer type, one for each row */
  bool channels_last; /* stored as (height, width, channels); turned when read */
} comity_table;

/* Open x and y in `parent` and check types, ranks and row counts. `foreign`: the writer did not know Comity,
 * so (n, h, w) is an image of one channel and (n, h, w, 3) one with its channels last. The table is closed
 * after a failure. */
COMITY_MUST_CHECK comity_status comity_table_open(const char *path, const char *folder, hid_t parent,
                                                  const char *x_name, const char *y_name, bool foreign,
                                                  comity_table *table);
void comity_table_close(comity_table *table);
/* Read rows; x or y may be NULL. */
COMITY_MUST_CHECK comity_status comity_table_read(const comity_table *table, uint64_t first, size_t count,
                                                  void *x, float *y);
/* Raise *classes to one more than the largest label. */
COMITY_MUST_CHECK comity_status comity_table_classes(const comity_table *table, size_t *classes);
/* Fail unless `other` has the same kind of rows. */
COMITY_MUST_CHECK comity_status comity_table_match(const comity_table *table, const comity_table *other);
/* Read texts of a string dataset into slots of `slot` bytes, NUL-terminated, cut where too long. */
COMITY_MUST_CHECK comity_status comity_texts_read(hid_t set, uint64_t first, size_t count, char *slots,
                                                  size_t slot);

/* -------------------------------------------------------------------------------------------------- cache */

/* Examples of one client in one stored split. */
typedef struct comity_block {
  struct comity_block *newer, *older;
  size_t split, client, count, bytes;
  void *x;
  float *y;
} comity_block;

/* Blocks by (split, client), the least recently used ones dropped when `limit` bytes are exceeded. */
typedef struct comity_block_cache {
  comity_block **slots[COMITY_SPLIT_COUNT]; /* (clients) or NULL before the first */
  comity_block *newest, *oldest;
  size_t clients, used, limit;
} comity_block_cache;

/* A block for `count` rows, with x and y aligned. */
COMITY_MUST_CHECK comity_status comity_block_new(size_t count, size_t x_bytes, size_t targets,
                                                 comity_block **block);
void comity_block_destroy(comity_block **block);
/* The block, now the newest, or NULL. */
comity_block *comity_block_cache_find(comity_block_cache *cache, size_t split, size_t client);
/* Drop old blocks until `bytes` more fit, or none is left. */
void comity_block_cache_make_room(comity_block_cache *cache, size_t bytes);
/* Take the block, which names its split and client. The caller keeps it after a failure. */
COMITY_MUST_CHECK comity_status comity_block_cache_add(comity_block_cache *cache, comity_block *block);
void comity_block_cache_clear(comity_block_cache *cache);

/* ------------------------------------------------------------------------------------------------ layouts */

/* One way to keep many clients in a file. */
typedef struct comity_dataset_layout {
  const char *name;
  /* REQUIRED. Check the structure; fill in the info (all but path, layout and examples), `offsets` and
   * `stored`. */
  comity_status (*open)(comity_dataset *dataset);
  /* REQUIRED. Rows of a stored split, whatever their clients; x or y may be NULL. */
  comity_status (*read)(comity_dataset *dataset, comity_split split, uint64_t first, size_t count, void *x,
                        float *y);
  /* REQUIRED. The client's name; NULL when the file has none. */
  const char *(*client_name)(const comity_dataset *dataset, size_t client);
  /* REQUIRED. Also after a failed open. */
  void (*close)(comity_dataset *dataset);
} comity_dataset_layout;

extern const comity_dataset_layout comity_layout_flat, comity_layout_tff;

struct comity_dataset {
  comity_dataset_info info;
  comity_dataset_options options; /* x_name and y_name are borrowed until open returns */
  char *path;
  hid_t file;
  const comity_dataset_layout *layout;
  void *state;                           /* the layout's own */
  uint64_t *offsets[COMITY_SPLIT_COUNT]; /* (clients+1) where each client begins; NULL: clients have none */
  uint64_t stored[COMITY_SPLIT_COUNT];   /* rows in the file, before a holdout */
  bool held_out;                         /* test examples are taken from the stored train rows */
  char *feature_names;                   /* (width, feature_slot) or NULL */
  size_t feature_slot;
  char *name; /* (NAME_BYTES) room for one client's name */
  comity_block_cache cache;
  comity_block *loose; /* what comity_dataset_rows lends */
};
enum { COMITY_CLIENT_NAME_BYTES = 256 };

#define COMITY_NO_CLIENT SIZE_MAX
/* Fail when a label is no class, or not finite. `first` is the number of the first row, of the client or of
 * the split. */
COMITY_MUST_CHECK comity_status comity_dataset_check_labels(const comity_dataset *dataset, size_t split,
                                                            size_t client, uint64_t first, size_t count,
                                                            const float *y);
/* Take over what the first table says about rows. */
void comity_dataset_adopt(comity_dataset *dataset, const comity_table *table);

#endif
