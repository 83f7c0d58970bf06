/* Datasets: opened by whichever layout the file has, lent to the caller client by client. */
#include "data_impl.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_CACHE_BYTES = 256 << 20 };

/* --------------------------------------------------------------------------------------------------- open */

void comity_dataset_adopt(comity_dataset *d, const comity_table *table) {
  d->info.type = table->type;
  d->info.shape_rank = table->shape_rank;
  memcpy(d->info.shape, table->shape, sizeof d->info.shape);
  d->info.width = table->width;
  d->info.scale = table->scale;
  d->info.targets = table->targets;
}

static comity_status choose_layout(comity_dataset *d) {
  if (comity_h5_has(d->file, "layout")) {
    char *text;
    COMITY_TRY(comity_h5_read_text(d->path, d->file, "layout", &text));
    comity_status status = COMITY_OK;
    if (strcmp(text, "comity-flat") != 0)
      status = comity_fail(COMITY_ERR_DATA, "%s: attribute 'layout' is '%s'; datasets have 'comity-flat'",
                           d->path, text);
    comity_free(text);
    COMITY_TRY(status);
    d->layout = &comity_layout_flat;
  } else if (H5Lexists(d->file, "examples", H5P_DEFAULT) > 0)
    d->layout = &comity_layout_tff;
  else if (H5Lexists(d->file, "x", H5P_DEFAULT) > 0 || H5Lexists(d->file, "y", H5P_DEFAULT) > 0)
    d->layout = &comity_layout_flat;
  else
    return comity_fail(COMITY_ERR_DATA,
                       "%s: holds neither datasets 'x' and 'y' nor a group 'examples' with clients; "
                       "data/README.md describes what a dataset looks like",
                       d->path);
  d->info.layout = d->layout->name;
  return COMITY_OK;
}

static size_t stored_count(const comity_dataset *d, size_t split, size_t client) {
  const uint64_t *offsets = d->offsets[split];
  return offsets == NULL ? 0 : (size_t)(offsets[client + 1] - offsets[client]);
}

/* How many of a client's n examples are held out: at least one and never all, where n allows. */
static size_t held_count(const comity_dataset *d, size_t n) {
  if (n < 2)
    return 0;
  size_t held = (size_t)llround(d->options.holdout * (double)n);
  return held < 1 ? 1 : held > n - 1 ? n - 1 : held;
}

size_t comity_dataset_count(const comity_dataset *d, comity_split split, size_t client) {
  if (client >= d->info.clients)
    return 0;
  if (!d->held_out)
    return stored_count(d, split, client);
  size_t n = stored_count(d, COMITY_SPLIT_TRAIN, client), held = held_count(d, n);
  return split == COMITY_SPLIT_TEST ? held : n - held;
}

static comity_status finish_open(comity_dataset *d) {
  COMITY_REQUIRE(d->stored[COMITY_SPLIT_TRAIN] + d->stored[COMITY_SPLIT_TEST] > 0, COMITY_ERR_DATA,
                 "%s: holds no examples", d->path);
  d->held_out = d->options.holdout > 0 && d->stored[COMITY_SPLIT_TEST] == 0;
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    d->info.examples[s] = (size_t)d->stored[s];
  if (d->held_out) {
    size_t held = 0;
    for (size_t k = 0; k < d->info.clients; k++)
      held += comity_dataset_count(d, COMITY_SPLIT_TEST, k);
    d->info.examples[COMITY_SPLIT_TRAIN] -= held;
    d->info.examples[COMITY_SPLIT_TEST] = held;
  }
  d->info.has_test = d->info.examples[COMITY_SPLIT_TEST] > 0;
  d->info.central_test = d->info.has_test && !d->held_out && d->offsets[COMITY_SPLIT_TEST] == NULL;
  d->info.path = d->path;
  d->cache.clients = d->info.clients;
  d->cache.limit = d->options.cache_bytes == 0 ? DEFAULT_CACHE_BYTES : d->options.cache_bytes;
  return COMITY_OK;
}

comity_status comity_dataset_open(const char *path, const comity_dataset_options *options,
                                  comity_dataset **dataset) {
  double holdout = options == NULL ? 0 : options->holdout;
  COMITY_REQUIRE(holdout >= 0 && holdout < 1, COMITY_ERR_ARG, "%s: a holdout of %g is not in [0, 1)", path,
                 holdout);
  comity_dataset *d;
  comity_status status;
  COMITY_TRY(COMITY_NEW(d, 1));
  d->file = -1;
  if (options != NULL)
    d->options = *options;
  d->path = comity_text("%s", path);
  d->name = comity_array(COMITY_CLIENT_NAME_BYTES, 1);
  COMITY_TRY_OR(fail, d->path == NULL || d->name == NULL ? COMITY_ERR_MEMORY : COMITY_OK);
  COMITY_TRY_OR(fail, comity_h5_open(path, &d->file));
  COMITY_TRY_OR(fail, choose_layout(d));
  COMITY_TRY_OR(fail, d->layout->open(d));
  COMITY_TRY_OR(fail, finish_open(d));
  d->options.x_name = d->options.y_name = NULL;
  *dataset = d;
  return COMITY_OK;
fail:
  comity_dataset_destroy(&d);
  return status;
}

void comity_dataset_destroy(comity_dataset **dataset) {
  comity_dataset *d = *dataset;
  if (d == NULL)
    return;
  if (d->layout != NULL)
    d->layout->close(d);
  comity_block_cache_clear(&d->cache);
  comity_block_destroy(&d->loose);
  if (d->file >= 0)
    H5Fclose(d->file);
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    comity_free(d->offsets[s]);
  comity_free(d->feature_names);
  comity_free(d->name);
  comity_free(d->path);
  comity_free(d);
  *dataset = NULL;
}

const comity_dataset_info *comity_dataset_describe(const comity_dataset *dataset) { return &dataset->info; }

const char *comity_dataset_client_name(const comity_dataset *d, size_t client) {
  const char *name = client < d->info.clients ? d->layout->client_name(d, client) : NULL;
  if (name != NULL)
    return name;
  snprintf(d->name, COMITY_CLIENT_NAME_BYTES, "client %zu", client);
  return d->name;
}

const char *comity_dataset_feature_name(const comity_dataset *d, size_t feature) {
  return d->feature_names == NULL || feature >= d->info.width ? NULL
                                                              : d->feature_names + feature * d->feature_slot;
}

/* --------------------------------------------------------------------------------------------------- load */

/* The first row with a label that cannot be; `count` when there is none. */
static size_t find_bad_label(const comity_dataset *d, const float *y, size_t count) {
  size_t targets = d->info.targets, i = 0;
  if (d->info.classes == 0)
    for (size_t n = count * targets; i < n && isfinite(y[i]); i++)
      ;
  else
    for (float classes = (float)d->info.classes;
         i < count && y[i] >= 0 && y[i] < classes && truncf(y[i]) == y[i]; i++)
      ;
  return i / targets;
}

static const char *split_name(size_t split) { return split == COMITY_SPLIT_TEST ? "test" : "train"; }

comity_status comity_dataset_check_labels(const comity_dataset *d, size_t split, size_t client,
                                          uint64_t first, size_t count, const float *y) {
  size_t bad = find_bad_label(d, y, count);
  if (bad == count)
    return COMITY_OK;
  unsigned long long row = (unsigned long long)(first + bad);
  char owner[COMITY_CLIENT_NAME_BYTES + 64] = "";
  if (client != COMITY_NO_CLIENT) {
    const char *name = d->layout->client_name(d, client);
    snprintf(owner, sizeof owner, "client %zu%s%s%s, ", client, name != NULL ? " ('" : "",
             name != NULL ? name : "", name != NULL ? "')" : "");
  }
  if (d->info.classes > 0)
    return comity_fail(COMITY_ERR_DATA, "%s: %s%s, row %llu: label %g is no class; classes are 0 to %zu",
                       d->path, owner, split_name(split), row, (double)y[bad], d->info.classes - 1);
  return comity_fail(COMITY_ERR_DATA, "%s: %s%s, row %llu: a target is not finite", d->path, owner,
                     split_name(split), row);
}

/* Rows of a client with those held out behind the others; both keep their order. */
static comity_status set_aside(const comity_dataset *d, size_t client, comity_block **block) {
  comity_block *old = *block, *new = NULL;
  size_t n = old->count, held = held_count(d, n), targets = d->info.targets;
  size_t row_bytes = d->info.width * comity_dtype_size(d->info.type);
  if (held == 0)
    return COMITY_OK;
  uint32_t *order = comity_array(n, sizeof *order);
  bool *out = comity_array(n, sizeof *out);
  comity_status status = order == NULL || out == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
  if (status == COMITY_OK)
    status = comity_block_new(n, row_bytes, targets, &new);
  if (status == COMITY_OK) {
    comity_random random;
    comity_random_open(&random, d->options.seed, COMITY_RANDOM_HOLDOUT, d->options.first_client + client, 0,
                       0);
    for (size_t i = 0; i < n; i++)
      order[i] = (uint32_t)i;
    comity_random_shuffle(&random, order, n);
    for (size_t i = 0; i < held; i++)
      out[order[i]] = true;
    size_t to[2] = {0, n - held};
    for (size_t i = 0; i < n; i++) {
      size_t row = to[out[i]]++;
      memcpy((char *)new->x + row *row_bytes, (const char *)old->x + i * row_bytes, row_bytes);
      memcpy(new->y + row *targets, old->y + i * targets, targets * sizeof *new->y);
    }
    comity_block_destroy(block);
    *block = new;
  }
  comity_free(order);
  comity_free(out);
  return status;
}

static comity_status read_client(comity_dataset *d, size_t split, size_t client, comity_block **block) {
  size_t count = stored_count(d, split, client);
  size_t row_bytes = d->info.width * comity_dtype_size(d->info.type);
  comity_h5_quiet();
  comity_block_cache_make_room(&d->cache, count * (row_bytes + d->info.targets * sizeof(float)));
  COMITY_TRY(comity_block_new(count, row_bytes, d->info.targets, block));
  comity_status status = COMITY_OK;
  if (count > 0)
    status =
        d->layout->read(d, (comity_split)split, d->offsets[split][client], count, (*block)->x, (*block)->y);
  if (status != COMITY_OK)
    return comity_fail_context(status, "client %zu", client);
  COMITY_TRY(comity_dataset_check_labels(d, split, client, 0, count, (*block)->y));
  return d->held_out ? set_aside(d, client, block) : COMITY_OK;
}

static void lend(const comity_dataset *d, const comity_block *block, size_t first, size_t count,
                 comity_examples *examples) {
  *examples = (comity_examples){
      .count = count,
      .width = d->info.width,
      .targets = d->info.targets,
      .type = d->info.type,
      .x = (const char *)block->x + first * d->info.width * comity_dtype_size(d->info.type),
      .y = block->y + first * d->info.targets,
      .scale = d->info.scale,
  };
}

comity_status comity_dataset_load(comity_dataset *d, comity_split split, size_t client,
                                  comity_examples *examples) {
  COMITY_REQUIRE(client < d->info.clients && (split == COMITY_SPLIT_TRAIN || split == COMITY_SPLIT_TEST),
                 COMITY_ERR_ARG, "%s: no client %zu or split %d; there are %zu clients", d->path, client,
                 (int)split, d->info.clients);
  size_t stored = d->held_out ? COMITY_SPLIT_TRAIN : split;
  comity_block *block = comity_block_cache_find(&d->cache, stored, client);
  if (block == NULL) {
    comity_status status = read_client(d, stored, client, &block);
    if (status == COMITY_OK) {
      block->split = stored;
      block->client = client;
      status = comity_block_cache_add(&d->cache, block);
    }
    if (status != COMITY_OK) {
      comity_block_destroy(&block);
      return status;
    }
  }
  size_t first =
      d->held_out && split == COMITY_SPLIT_TEST ? comity_dataset_count(d, COMITY_SPLIT_TRAIN, client) : 0;
  lend(d, block, first, comity_dataset_count(d, split, client), examples);
  return COMITY_OK;
}

comity_status comity_dataset_rows(comity_dataset *d, comity_split split, size_t first, size_t count,
                                  comity_examples *examples) {
  COMITY_REQUIRE(split == COMITY_SPLIT_TRAIN || split == COMITY_SPLIT_TEST, COMITY_ERR_ARG,
                 "%s: unknown split %d", d->path, (int)split);
  COMITY_REQUIRE(first <= d->stored[split] && count <= d->stored[split] - first, COMITY_ERR_ARG,
                 "%s: %zu %s rows from %zu on are not in the file, which stores %llu", d->path, count,
                 split_name(split), first, (unsigned long long)d->stored[split]);
  size_t row_bytes = d->info.width * comity_dtype_size(d->info.type);
  comity_h5_quiet();
  if (d->loose == NULL || d->loose->count < count) {
    comity_block_destroy(&d->loose);
    COMITY_TRY(comity_block_new(count, row_bytes, d->info.targets, &d->loose));
  }
  COMITY_TRY(d->layout->read(d, split, first, count, d->loose->x, d->loose->y));
  COMITY_TRY(comity_dataset_check_labels(d, split, COMITY_NO_CLIENT, first, count, d->loose->y));
  lend(d, d->loose, 0, count, examples);
  return COMITY_OK;
}
