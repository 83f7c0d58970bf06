/* Deals the examples of a dataset to clients: one reading for the labels, then one per GiB of examples to
 * write them grouped by client. */
#include "partition_impl.h"

#include "core/core_impl.h"
#include "import_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 4096 };

/* The rows that are dealt, from 0: the train rows of the file, then, when merged, its test rows. */
typedef struct row_source {
  comity_dataset *data;
  const comity_dataset_info *info;
  size_t rows;
} row_source;

/* Who gets which row. */
typedef struct dealing {
  size_t clients;
  uint32_t *owner; /* (rows) */
  uint32_t *order; /* dealt rows, grouped by client */
  uint32_t *place; /* (rows) where in order, or COMITY_PARTITION_NOBODY */
  size_t *start;   /* (clients + 1) into order */
  float *values;   /* scheme "column": (clients) the value of each, ascending; else NULL */
} dealing;

/* ------------------------------------------------------------------------------------------------ reading */

/* A block of rows of one split, beginning at `first`. */
static comity_status read_block(row_source *source, size_t first, comity_examples *block) {
  size_t train = source->info->examples[COMITY_SPLIT_TRAIN];
  bool test = first >= train;
  size_t end = test || source->rows < train ? source->rows : train;
  size_t count = end - first < BLOCK_ROWS ? end - first : BLOCK_ROWS;
  return comity_dataset_rows(source->data, test ? COMITY_SPLIT_TEST : COMITY_SPLIT_TRAIN,
                             test ? first - train : first, count, block);
}

static comity_status read_labels(row_source *source, uint32_t *labels) {
  comity_examples block;
  for (size_t at = 0; source->info->classes > 0 && at < source->rows; at += block.count) {
    COMITY_TRY(read_block(source, at, &block));
    for (size_t i = 0; i < block.count; i++)
      labels[at + i] = (uint32_t)block.y[i];
  }
  return COMITY_OK;
}

static comity_status find_feature(const row_source *source, const char *name, size_t *feature) {
  for (size_t f = 0; f < source->info->width; f++) {
    const char *text = comity_dataset_feature_name(source->data, f);
    if (text != NULL && strcmp(text, name) == 0) {
      *feature = f;
      return COMITY_OK;
    }
  }
  char *end;
  unsigned long number = strtoul(name, &end, 10);
  COMITY_REQUIRE(
      name[0] >= '0' && name[0] <= '9' && *end == '\0' && number >= 1 && number <= source->info->width,
      COMITY_ERR_USAGE, "%s: has no feature '%s'; give a feature's name, its number from 1 to %zu, or y",
      source->info->path, name, source->info->width);
  *feature = number - 1;
  return COMITY_OK;
}

static comity_status read_column(row_source *source, const char *name, float *values) {
  bool label = strcmp(name, "y") == 0;
  size_t feature = 0, width = source->info->width, targets = source->info->targets;
  float *x = NULL, *y = NULL;
  comity_status status = COMITY_OK;
  comity_examples block;
  if (!label)
    COMITY_TRY(find_feature(source, name, &feature));
  COMITY_TRY_OR(done, COMITY_NEW(x, width));
  COMITY_TRY_OR(done, COMITY_NEW(y, targets));
  for (size_t at = 0; at < source->rows; at += block.count) {
    COMITY_TRY_OR(done, read_block(source, at, &block));
    for (size_t i = 0; i < block.count; i++) {
      comity_examples_batch(&block, NULL, i, 1, x, y);
      values[at + i] = label ? y[0] : x[feature];
    }
  }
done:
  comity_free(x);
  comity_free(y);
  return status;
}

static int by_value(const void *a, const void *b) {
  float left = *(const float *)a, right = *(const float *)b;
  return left < right ? -1 : left > right;
}

/* Number the different values of the column in ascending order. */
static comity_status group_column(row_source *source, const char *name, uint32_t *groups, size_t *count,
                                  float **values) {
  float *all = NULL, *sorted = NULL;
  comity_status status = COMITY_OK;
  COMITY_TRY_OR(done, COMITY_NEW(all, source->rows));
  COMITY_TRY_OR(done, COMITY_NEW(sorted, source->rows));
  COMITY_TRY_OR(done, read_column(source, name, all));
  for (size_t i = 0; i < source->rows; i++)
    if (isnan(all[i])) {
      status = comity_fail(COMITY_ERR_DATA, "%s: column '%s' is not a number in row %zu", source->info->path,
                           name, i);
      goto done;
    }
  memcpy(sorted, all, source->rows * sizeof *sorted);
  qsort(sorted, source->rows, sizeof *sorted, by_value);
  *count = 1;
  for (size_t i = 1; i < source->rows; i++)
    if (sorted[i] != sorted[*count - 1])
      sorted[(*count)++] = sorted[i];
  for (size_t i = 0; i < source->rows; i++) {
    const float *found = bsearch(&all[i], sorted, *count, sizeof *sorted, by_value);
    groups[i] = (uint32_t)(found - sorted);
  }
  *values = sorted;
  sorted = NULL;
done:
  comity_free(all);
  comity_free(sorted);
  return status;
}

/* ------------------------------------------------------------------------------------------------ dealing */

/* From owners to rows in order of client. Within a client rows keep their order, unless some are to be held
 * out: then the order is random, so that the last ones are a fair choice. */
static comity_status group_rows(dealing *deal, size_t rows, const comity_partition_options *options) {
  size_t *next, dealt = 0;
  COMITY_TRY(COMITY_NEW(deal->start, deal->clients + 1));
  COMITY_TRY(COMITY_NEW(deal->order, rows));
  COMITY_TRY(COMITY_NEW(deal->place, rows));
  COMITY_TRY(COMITY_NEW(next, deal->clients));
  for (size_t i = 0; i < rows; i++)
    if (deal->owner[i] != COMITY_PARTITION_NOBODY)
      deal->start[deal->owner[i] + 1]++;
  for (size_t k = 0; k < deal->clients; k++) {
    next[k] = deal->start[k];
    deal->start[k + 1] += deal->start[k];
  }
  for (size_t i = 0; i < rows; i++)
    if (deal->owner[i] != COMITY_PARTITION_NOBODY)
      deal->order[next[deal->owner[i]]++] = (uint32_t)i;
  comity_free(next);
  for (size_t k = 0; k < deal->clients && options->test_fraction > 0; k++) {
    comity_random random;
    comity_random_open(&random, options->seed, COMITY_RANDOM_PARTITION, COMITY_DEAL_HOLDOUT, k, 0);
    comity_random_shuffle(&random, deal->order + deal->start[k], deal->start[k + 1] - deal->start[k]);
  }
  memset(deal->place, 0xFF, rows * sizeof *deal->place);
  dealt = deal->start[deal->clients];
  for (size_t i = 0; i < dealt; i++)
    deal->place[deal->order[i]] = (uint32_t)i;
  return COMITY_OK;
}

static comity_status check_sizes(const dealing *deal, const comity_partition_options *options) {
  size_t minimum = options->minimum > 0 ? options->minimum : 1;
  for (size_t k = 0; k < deal->clients; k++)
    COMITY_REQUIRE(
        deal->start[k + 1] - deal->start[k] >= minimum, COMITY_ERR_USAGE,
        "client %zu would have %zu examples, fewer than the minimum of %zu; take fewer clients or a "
        "smaller minimum",
        k, deal->start[k + 1] - deal->start[k], minimum);
  return COMITY_OK;
}

static comity_status deal_rows(row_source *source, const comity_partition_options *options, dealing *deal) {
  const comity_partitioner *scheme = NULL;
  uint32_t *labels = NULL;
  size_t classes = source->info->classes;
  comity_status status;
  COMITY_TRY(comity_partitioner_find(options->scheme, &scheme));
  COMITY_REQUIRE(source->rows < COMITY_PARTITION_NOBODY, COMITY_ERR_DATA,
                 "%s: %zu examples are more than can be dealt", source->info->path, source->rows);
  COMITY_REQUIRE(source->rows > 0, COMITY_ERR_DATA, "%s: has no examples to deal", source->info->path);
  COMITY_REQUIRE(options->clients < COMITY_PARTITION_NOBODY, COMITY_ERR_USAGE, "%zu clients are too many",
                 options->clients);
  deal->clients = options->clients;
  COMITY_TRY_OR(done, COMITY_NEW(labels, source->rows));
  COMITY_TRY_OR(done, COMITY_NEW(deal->owner, source->rows));
  if (scheme == &comity_partitioner_column) {
    const char *column = options->column == NULL ? "y" : options->column;
    COMITY_TRY_OR(done, group_column(source, column, labels, &classes, &deal->values));
    deal->clients = classes;
  } else
    COMITY_TRY_OR(done, read_labels(source, labels));
  COMITY_TRY_OR(done, scheme->deal(options, labels, classes, source->rows, deal->owner));
  COMITY_TRY_OR(done, group_rows(deal, source->rows, options));
  COMITY_TRY_OR(done, check_sizes(deal, options));
done:
  comity_free(labels);
  return status;
}

/* ------------------------------------------------------------------------------------------------ writing */

static comity_status write_client(const row_source *source, const dealing *deal, size_t client,
                                  const comity_partition_options *options, const char *x, const float *y,
                                  comity_dataset_writer *writer) {
  size_t count = deal->start[client + 1] - deal->start[client];
  size_t train = comity_train_part(count, options->test_fraction);
  size_t row = source->info->width * comity_dtype_size(source->info->type);
  char name[128];
  if (deal->values != NULL)
    snprintf(name, sizeof name, "%.80s=%.9g", options->column == NULL ? "y" : options->column,
             (double)deal->values[client]);
  COMITY_TRY(comity_dataset_writer_client(writer, deal->values == NULL ? NULL : name));
  COMITY_TRY(comity_dataset_writer_add(writer, COMITY_SPLIT_TRAIN, train, x, y));
  if (train == count)
    return COMITY_OK;
  return comity_dataset_writer_add(writer, COMITY_SPLIT_TEST, count - train, x + train * row,
                                   y + train * source->info->targets);
}

/* Clients first ... end-1: read the whole source and keep what is theirs. */
static comity_status write_clients(row_source *source, const dealing *deal, size_t first, size_t end,
                                   const comity_partition_options *options, comity_dataset_writer *writer) {
  size_t row = source->info->width * comity_dtype_size(source->info->type), targets = source->info->targets;
  size_t from = deal->start[first], count = deal->start[end] - from;
  char *x = NULL;
  float *y = NULL;
  comity_status status;
  comity_examples block;
  COMITY_TRY_OR(done, COMITY_NEW(x, count * row));
  COMITY_TRY_OR(done, COMITY_NEW(y, count * targets));
  for (size_t at = 0; at < source->rows; at += block.count) {
    COMITY_TRY_OR(done, read_block(source, at, &block));
    for (size_t i = 0; i < block.count; i++) {
      size_t place = deal->place[at + i];
      if (place < from || place >= from + count)
        continue;
      memcpy(x + (place - from) * row, (const char *)block.x + i * row, row);
      memcpy(y + (place - from) * targets, block.y + i * targets, targets * sizeof *y);
    }
  }
  for (size_t k = first; k < end; k++) {
    size_t skip = deal->start[k] - from;
    COMITY_TRY_OR(done, write_client(source, deal, k, options, x + skip * row, y + skip * targets, writer));
  }
done:
  comity_free(x);
  comity_free(y);
  return status;
}

static comity_status carry_test(row_source *source, comity_dataset_writer *writer) {
  size_t rows = source->info->examples[COMITY_SPLIT_TEST];
  comity_examples block;
  for (size_t at = 0; at < rows; at += block.count) {
    COMITY_TRY(comity_dataset_rows(source->data, COMITY_SPLIT_TEST, at,
                                   rows - at < BLOCK_ROWS ? rows - at : BLOCK_ROWS, &block));
    COMITY_TRY(comity_dataset_writer_add(writer, COMITY_SPLIT_TEST, block.count, block.x, block.y));
  }
  return COMITY_OK;
}

/* Where the data came from, and what was done to them. Owned by the caller. */
static comity_status tell_origin(const char *in, const comity_partition_options *options, size_t clients,
                                 char **origin) {
  hid_t file;
  char *before = NULL;
  COMITY_TRY(comity_h5_open(in, &file));
  comity_status status =
      comity_h5_has(file, "origin") ? comity_h5_read_text(in, file, "origin", &before) : COMITY_OK;
  H5Fclose(file);
  COMITY_TRY(status);
  *origin =
      comity_text("%s%sdealt to %zu clients by scheme %s with seed %llu", before == NULL ? "" : before,
                  before == NULL ? "" : "; ", clients, options->scheme, (unsigned long long)options->seed);
  comity_free(before);
  return *origin == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

static comity_status open_writer(const row_source *source, const char *origin, const char *out,
                                 comity_dataset_writer **writer) {
  const comity_dataset_info *info = source->info;
  comity_dataset_writer_options form = {.type = info->type,
                                        .shape_rank = info->shape_rank,
                                        .scale = info->scale,
                                        .targets = info->targets,
                                        .classes = info->classes,
                                        .origin = origin};
  memcpy(form.shape, info->shape, sizeof form.shape);
  const char **names = NULL;
  if (comity_dataset_feature_name(source->data, 0) != NULL) {
    COMITY_TRY(COMITY_NEW(names, info->width));
    for (size_t f = 0; f < info->width; f++)
      names[f] = comity_dataset_feature_name(source->data, f);
    form.feature_names = names;
  }
  comity_status status = comity_dataset_writer_new(out, &form, writer);
  comity_free(names);
  return status;
}

static comity_status write_all(row_source *source, const dealing *deal,
                               const comity_partition_options *options, size_t bytes, const char *out) {
  size_t row = source->info->width * comity_dtype_size(source->info->type);
  comity_dataset_writer *writer = NULL;
  char *origin = NULL;
  comity_status status;
  COMITY_TRY_OR(done, tell_origin(source->info->path, options, deal->clients, &origin));
  COMITY_TRY_OR(done, open_writer(source, origin, out, &writer));
  if (!options->merge_test)
    COMITY_TRY_OR(done, carry_test(source, writer));
  for (size_t first = 0, end; first < deal->clients; first = end) {
    for (end = first + 1; end < deal->clients && (deal->start[end + 1] - deal->start[first]) * row <= bytes;)
      end++;
    COMITY_TRY_OR(done, write_clients(source, deal, first, end, options, writer));
  }
  COMITY_TRY_OR(done, comity_dataset_writer_commit(writer));
done:
  comity_dataset_writer_destroy(&writer);
  comity_free(origin);
  return status;
}

/* ---------------------------------------------------------------------------------------------- partition */

comity_status comity_partition_bounded(const char *in, const comity_partition_options *options, size_t bytes,
                                       const char *out) {
  row_source source = {0};
  dealing deal = {0};
  comity_status status;
  COMITY_REQUIRE(options->test_fraction >= 0 && options->test_fraction < 1, COMITY_ERR_USAGE,
                 "test_fraction must be at least 0 and below 1, not %g", options->test_fraction);
  COMITY_TRY(comity_dataset_open(in, NULL, &source.data));
  source.info = comity_dataset_describe(source.data);
  const size_t *examples = source.info->examples;
  source.rows = examples[COMITY_SPLIT_TRAIN] + (options->merge_test ? examples[COMITY_SPLIT_TEST] : 0);
  if (options->test_fraction > 0 && examples[COMITY_SPLIT_TEST] > 0 && !options->merge_test) {
    status = comity_fail(COMITY_ERR_USAGE,
                         "%s: has a test set, which would be lost when each client gets its own; deal it too "
                         "(merge-test), or leave test-fraction out",
                         in);
    goto done;
  }
  COMITY_TRY_OR(done, deal_rows(&source, options, &deal));
  COMITY_TRY_OR(done, write_all(&source, &deal, options, bytes, out));
done:
  comity_dataset_destroy(&source.data);
  comity_free(deal.owner);
  comity_free(deal.order);
  comity_free(deal.place);
  comity_free(deal.start);
  comity_free(deal.values);
  return status;
}

comity_status comity_partition(const char *in, const comity_partition_options *options, const char *out) {
  return comity_partition_bounded(in, options, (size_t)1 << 30, out);
}
