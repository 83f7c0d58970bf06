/** \file data.h
 *  Datasets: HDF5 files that hold the examples of many clients, read as little and as late as possible.
 *
 *  Two layouts are read. Comity's flat one keeps all examples of a client next to each other and stays fast
 * for a million clients; TensorFlow Federated's (`examples/<client>/<feature>`) is read as it is.
 * data/README.md describes both.
 *
 *      comity_dataset_open -> comity_dataset_info -> comity_dataset_load (client) -> comity_examples_batch
 * (rows as float)
 *
 *  Nothing here knows MPI: a rank opens the files whose clients it hosts.
 */
#ifndef COMITY_DATA_H
#define COMITY_DATA_H

#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How features are stored; they stay so until a batch is made. */
typedef enum comity_dtype {
  COMITY_U8,
  COMITY_I8,
  COMITY_I16,
  COMITY_U16,
  COMITY_I32,
  COMITY_F32,
  COMITY_F64
} comity_dtype;
COMITY_API size_t comity_dtype_size(comity_dtype type);
COMITY_API const char *comity_dtype_name(comity_dtype type);

#define COMITY_SHAPE_MAX 4

/** Which part of a client's examples. */
typedef enum comity_split { COMITY_SPLIT_TRAIN, COMITY_SPLIT_TEST, COMITY_SPLIT_COUNT } comity_split;

typedef struct comity_dataset comity_dataset;

typedef struct comity_dataset_options {
  size_t cache_bytes; /* examples kept in memory; least recently used clients are dropped. 0 = 256 MiB */
  double
      holdout; /* [0,1) part of each client's examples set aside as its test split, when the file has none */
  uint64_t seed;         /* picks the held-out examples (COMITY_RANDOM_HOLDOUT, client) */
  uint64_t first_client; /* global id of the file's client 0: keys the held-out choice */
  const char *x_name;    /* TFF: feature dataset; NULL = the only numeric one that is not the label */
  const char *y_name;    /* TFF: label dataset; NULL = "label" or "y" */
} comity_dataset_options;

/** What a file holds. Borrowed until the dataset is destroyed. */
typedef struct comity_dataset_info {
  const char *path;
  const char *layout; /* "flat" | "tff" */
  size_t clients;
  size_t examples[COMITY_SPLIT_COUNT];
  comity_dtype type;
  size_t shape_rank;
  size_t shape[COMITY_SHAPE_MAX]; /* of one example, channels first for images: (1,28,28), or (13) */
  size_t width;                   /* product of the shape */
  double scale;                   /* feature = stored value * scale, e.g. 1/255 for pixels; 1 otherwise */
  size_t targets;                 /* numbers per label: 1, or more for regression on a vector */
  size_t classes;                 /* labels are integers 0 ... classes-1; 0 = real-valued targets */
  bool has_test;                  /* some client has a test split, or the file has a central one */
  bool central_test;              /* the test split belongs to no client: read it by comity_dataset_rows */
} comity_dataset_info;

/** Open and check the structure: shapes, types, offsets. Reads no examples. Not collective. NULL options =
 *  defaults. A flat file without `offsets` is one client.
 *  \return COMITY_OK, COMITY_ERR_NOT_FOUND, COMITY_ERR_PERMISSION, COMITY_ERR_DATA, COMITY_ERR_MEMORY;
 *         messages name file, dataset and client */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_open(const char *path,
                                                               const comity_dataset_options *options,
                                                               comity_dataset **dataset);
COMITY_API void comity_dataset_destroy(comity_dataset **dataset);
COMITY_API const comity_dataset_info *comity_dataset_describe(const comity_dataset *dataset);
/** Examples of one client in a split; holdout is accounted for. */
COMITY_API size_t comity_dataset_count(const comity_dataset *dataset, comity_split split, size_t client);
/** The client's own name in the file, or "client <n>". Borrowed until the next call. */
COMITY_API const char *comity_dataset_client_name(const comity_dataset *dataset, size_t client);
/** For people: what the file holds, examples per client, labels, names. Reads all labels.
 *  \return COMITY_OK, COMITY_ERR_DATA, COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_print(comity_dataset *dataset, FILE *out);
/** Names of the features, when the file has them (CSV imports do).
 *  \return NULL when it has not */
COMITY_API const char *comity_dataset_feature_name(const comity_dataset *dataset, size_t feature);

/** Examples of one client, as stored. A view: owns nothing. */
typedef struct comity_examples {
  size_t count;
  size_t width;   /* features per example */
  size_t targets; /* numbers per label */
  comity_dtype type;
  const void *x;     /* (count, width) of `type` */
  const float *y;    /* (count, targets); class labels are whole numbers */
  double scale;      /* feature = stored * scale */
  const float *mean; /* (width) subtracted after scaling, or NULL */
  const float
      *inverse; /* (width) 1/standard deviation, multiplied after that, or NULL; NULL exactly if mean is */
} comity_examples;

/** Bring one client's examples into memory (from the cache or the file) and check its labels.
 *  \param[out] examples  view, borrowed until the next load on this dataset or its destruction; mean and
 *         inverse are NULL
 *  \return COMITY_OK, COMITY_ERR_DATA (unreadable, label out of range, not finite; names file, client and
 *         row), COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_load(comity_dataset *dataset, comity_split split,
                                                               size_t client, comity_examples *examples);

/** Bring rows [first, first+count) of a split into memory, whatever their clients: for a central test set
 * spread over ranks. View and errors as for comity_dataset_load; not cached. With a holdout, rows are those
 * of the stored file. */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_rows(comity_dataset *dataset, comity_split split,
                                                               size_t first, size_t count,
                                                               comity_examples *examples);

/** Make a batch of floats: rows index[0..count), or rows first ... first+count-1 when index is NULL.
 *  \param[out] x  (count, width)
 *  \param[out] y  (count, targets) */
COMITY_API void comity_examples_batch(const comity_examples *examples, const uint32_t *index, size_t first,
                                      size_t count, float *x, float *y);

/** Check that all features of the view are finite.
 *  \return COMITY_ERR_DATA naming the row and feature */
COMITY_API COMITY_MUST_CHECK comity_status comity_examples_check(const comity_examples *examples);

/* ---------------------------------------------------------------------------------- writing flat datasets */

/** Writes a flat dataset row by row, in client order, into a file that appears under its name only when
 * complete. */
typedef struct comity_dataset_writer comity_dataset_writer;

typedef struct comity_dataset_writer_options {
  comity_dtype type;
  size_t shape_rank;
  size_t shape[COMITY_SHAPE_MAX];
  double scale;
  size_t targets;
  size_t classes;
  const char *const *feature_names; /* (width) or NULL */
  const char *origin; /* a sentence on where the data comes from, stored as attribute; or NULL */
} comity_dataset_writer_options;

COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_writer_new(
    const char *path, const comity_dataset_writer_options *options, comity_dataset_writer **writer);
/** Start the next client.
 *  \param[in] name  NULL for none; all clients have names or none */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_writer_client(comity_dataset_writer *writer,
                                                                        const char *name);
/** Append rows to the current client's split. x: (count, width) of the type, y: (count, targets). Test rows
 *  that come before the first client is started are a central test set; a writer that never starts one writes
 *  a file of one client.
 *  \return COMITY_ERR_DATA for labels that are no class or not finite, COMITY_ERR_FULL, COMITY_ERR_IO; the
 *         writer can then only be destroyed */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_writer_add(comity_dataset_writer *writer,
                                                                     comity_split split, size_t count,
                                                                     const void *x, const float *y);
/** Flush and give the file its name. Without this call destroy leaves nothing behind. */
COMITY_API COMITY_MUST_CHECK comity_status comity_dataset_writer_commit(comity_dataset_writer *writer);
COMITY_API void comity_dataset_writer_destroy(comity_dataset_writer **writer);

/* ---------------------------------------------------------------------------------------------- importers */

typedef struct comity_import_idx_options {
  const char *images, *labels;           /* .gz or plain */
  const char *test_images, *test_labels; /* central test set of the same file; NULL for none */
} comity_import_idx_options;
/** MNIST's format (LeCun 1998): magic 0x801 / 0x803, big endian. */
COMITY_API COMITY_MUST_CHECK comity_status comity_import_idx(const comity_import_idx_options *options,
                                                             const char *out);

typedef struct comity_import_csv_options {
  const char *const *paths; /* one file, or one per silo/client; .gz or plain */
  size_t path_count;
  const char *const
      *test_paths; /* files whose rows form the central test set; may be given without `paths` */
  size_t test_count;
  const char *test_rows; /* text file with the numbers of the held-out rows of the only file in `paths`,
                            counted from 1 over its data rows (header and blank lines do not count); or NULL */
  char separator; /* 0 = found out from the first line: , ; tab | or runs of blanks; ' ' = runs of blanks */
  int header;     /* 1 yes, 0 no, -1 found out: a first line without any number */
  const char *label;              /* column name or number from 1; NULL = the last */
  const char *client;             /* column that names the client, or NULL: one client per file */
  const char *split;              /* column whose value "test" marks held-out rows, or NULL */
  const char *missing;            /* text that means missing besides the empty field; NULL = "?" */
  const char *on_missing;         /* "drop" the row | "mean" of the column | "error" (NULL) */
  const char *const *categorical; /* columns to one-hot besides those that hold text: "cp", or "cp=1,2,3,4"
                                     to fix the levels and their order, so that silos that import on their own
                                     agree; also fixes the classes when it names the label */
  size_t categorical_count;
  const char *const *drop; /* columns to leave out */
  size_t drop_count;
  const char *positive; /* label value (or ">0" for any positive number) that becomes 1, all others 0;
                           several values are separated by '|' (">50K|>50K."); NULL = classes in order */
  bool drop_first;      /* leave out each categorical column's first level, as statistics programs do */
  bool regression;      /* the label is a real number */
} comity_import_csv_options;
/** Tables of numbers and text to float32 features (RFC 4180 quoting). A column is a feature as it is when all
 * its values are numbers, and one-hot when all are text; levels are sorted, and compared as numbers where they
 * are numbers ("1.0" is "1"). Reads the files three times (kinds, levels, rows) and keeps only a block of rows
 * in memory, except with `client`, where the encoded rows wait in memory to be grouped.
 * \return COMITY_ERR_DATA, COMITY_ERR_USAGE, ...; messages name file:line and column */
COMITY_API COMITY_MUST_CHECK comity_status comity_import_csv(const comity_import_csv_options *options,
                                                             const char *out);

/** LEAF's JSON (Caldas et al. 2018): {"users": [...], "num_samples": [...], "user_data": {user: {"x": [...],
 *  "y": [...]}}}.
 *  \param[in] test  LEAF's test file of the same users, or NULL */
COMITY_API COMITY_MUST_CHECK comity_status comity_import_leaf(const char *const *train, size_t train_count,
                                                              const char *test, const char *out);

/* ------------------------------------------------------------------------------------------- partitioners */

typedef struct comity_partition_options {
  const char *scheme; /* "iid" | "shards" | "dirichlet" | "label_dirichlet" | "classes" | "quantity" |
                         "column" | "fedprox" */
  size_t clients;
  uint64_t seed;
  size_t shards_per_client;  /* shards: 2 in McMahan et al. 2017 */
  size_t classes_per_client; /* classes: k of "#C=k" in Li et al. 2022 */
  double alpha;   /* concentration. dirichlet: of a client's classes (Hsu et al. 2019); label_dirichlet: of
                         a class's clients; quantity: of the sizes (both Li et al. 2022) */
  size_t minimum; /* fewest examples a client may have; label_dirichlet and quantity draw again until then.
                         0 = 10 for these two, as in Li et al. 2022, and 1 for all others */
  const char *column; /* column: name or number from 1 of the feature whose value names the client; "y" = the
                         label */
  bool merge_test;    /* deal the test examples of `in` together with its train examples */
  double test_fraction; /* [0,1) part of each client's examples that becomes its own test split */
} comity_partition_options;
/** Deal the train examples of dataset `in` (of any layout) to clients and write a flat dataset; its test
 * split is carried over as a central one. Source: McMahan et al. 2017 sec. 3 (iid, shards), Hsu et al. 2019
 * sec. 3.1 (dirichlet), Li et al. 2022 (label_dirichlet, classes, quantity). Holds one GiB of examples at most
 * and reads `in` as often as that takes. */
COMITY_API COMITY_MUST_CHECK comity_status comity_partition(const char *in,
                                                            const comity_partition_options *options,
                                                            const char *out);
/** Owner of an example that a scheme leaves out. */
#define COMITY_PARTITION_NOBODY UINT32_MAX
/** One partition scheme: deal example -> client. Exposed for tests and for the list of names. */
typedef struct comity_partitioner {
  const char *name;
  const char *source;
  bool partial; /* may leave examples out */
  /** \param[in]  labels  (examples) class of each example, or the column's group for "column"
   *  \param[in]  classes 0 when the targets are real numbers; labels are then all 0
   *  \param[out] owner   (examples) client of each example, or COMITY_PARTITION_NOBODY */
  comity_status (*deal)(const comity_partition_options *options, const uint32_t *labels, size_t classes,
                        size_t examples, uint32_t *owner);
} comity_partitioner;
/** All schemes; count in *count. */
COMITY_API const comity_partitioner *const *comity_partitioner_list(size_t *count);

/* --------------------------------------------------------------------------------------------- generators */

typedef struct comity_synthetic_options {
  double alpha, beta; /* model and data heterogeneity */
  bool iid;           /* one model and one distribution for all clients */
  size_t clients;
  uint64_t seed;
  double test_fraction; /* of each client; FedProx: 0.1 */
} comity_synthetic_options;
/** FedProx's Synthetic(alpha, beta): 60 features, 10 classes. Source: Li et al. 2020 sec. 5.1 and its
 * published generator. */
COMITY_API COMITY_MUST_CHECK comity_status comity_generate_synthetic(const comity_synthetic_options *options,
                                                                     const char *out);

typedef struct comity_blobs_options {
  size_t clients, examples; /* examples per client */
  size_t features, classes;
  size_t image_side; /* > 0: features = side * side, stored as 8-bit images (1, side, side) */
  double test_fraction;
  double separation; /* distance of class centres in standard deviations */
  uint64_t seed;
} comity_blobs_options;
/** Gaussian classes, for quick starts, tests and scaling runs: easy, small, any number of clients. */
COMITY_API COMITY_MUST_CHECK comity_status comity_generate_blobs(const comity_blobs_options *options,
                                                                 const char *out);

/* ---------------------------------------------------------------------------------------- standardisation */

/** Words that comity_moments_add fills: the count, then three for the sum of each feature. */
#define COMITY_MOMENTS_WORDS(width) (1 + 3 * (width))
/** Sums over examples from which mean and variance come; two passes, each summed exactly, so that silos can
 * add theirs up in any order: pass 0 collects count and sum x, pass 1 sum (x - mean)^2, all as fixed point
 * (multiples of 2^-71, a client's sum being rounded once).
 *  \param[in]     examples  one client's train split
 *  \param[in]     mean      (width) NULL in pass 0
 *  \param[in,out] words     (COMITY_MOMENTS_WORDS(width)), each summed modulo 2^64
 *  \return COMITY_ERR_NUMERIC when a value is not finite or too large for the fixed point; names the feature;
 * the words are then unchanged. COMITY_ERR_MEMORY */
COMITY_API COMITY_MUST_CHECK comity_status comity_moments_add(const comity_examples *examples,
                                                              const float *mean, uint64_t *words);
/** Turn the words of a pass into the mean (pass 0; previous NULL) or 1/standard deviation (pass 1, divisor
 * count-1; a feature that never varies gets 1). */
COMITY_API void comity_moments_finish(const uint64_t *words, size_t width, bool second_pass, float *result);

#ifdef __cplusplus
}
#endif
#endif
