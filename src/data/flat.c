/* Comity's own layout: all examples in one x and one y, a client's next to each other, and where each client
 * begins in `offsets`. Also files of others that merely have x and y. */
#include "data_impl.h"

#include <string.h>

typedef struct flat {
  comity_table tables[COMITY_SPLIT_COUNT];
  hid_t test, client_names;
} flat;

/* Where each client begins; a file without offsets is one client. */
static comity_status read_offsets(comity_dataset *d, hid_t parent, const char *folder, uint64_t rows,
                                  uint64_t **offsets, size_t *clients) {
  if (H5Lexists(parent, "offsets", H5P_DEFAULT) <= 0) {
    COMITY_TRY(COMITY_NEW(*offsets, 2));
    (*offsets)[1] = rows;
    *clients = 1;
    return COMITY_OK;
  }
  hid_t set = H5Dopen2(parent, "offsets", H5P_DEFAULT);
  hid_t space = set < 0 ? -1 : H5Dget_space(set), type = set < 0 ? -1 : H5Dget_type(set);
  hsize_t count = 0;
  bool good = type >= 0 && H5Tget_class(type) == H5T_INTEGER && H5Sget_simple_extent_ndims(space) == 1 &&
              H5Sget_simple_extent_dims(space, &count, NULL) == 1 && count >= 2;
  if (type >= 0)
    H5Tclose(type);
  if (space >= 0)
    H5Sclose(space);
  if (set >= 0)
    H5Dclose(set);
  if (!good)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: dataset '%soffsets' is no list of at least two integers",
                          d->path, folder);
  int64_t *read;
  COMITY_TRY(COMITY_NEW(read, count));
  *offsets = (uint64_t *)read; /* signed, so that HDF5 does not turn negative ones into 0 */
  COMITY_TRY(comity_h5_read(d->path, parent, "offsets", H5T_NATIVE_INT64, count, read));
  *clients = count - 1;
  COMITY_REQUIRE(read[0] == 0, COMITY_ERR_DATA, "%s: '%soffsets' begins with %lld instead of 0", d->path,
                 folder, (long long)read[0]);
  for (size_t i = 0; i < *clients; i++)
    COMITY_REQUIRE(
        read[i + 1] >= read[i] && read[i + 1] - read[i] <= UINT32_MAX, COMITY_ERR_DATA,
        "%s: '%soffsets' goes from %lld to %lld at client %zu; it must not descend, nor give a client "
        "more than %u examples",
        d->path, folder, (long long)read[i], (long long)read[i + 1], i, UINT32_MAX);
  COMITY_REQUIRE((uint64_t)read[*clients] == rows, COMITY_ERR_DATA,
                 "%s: '%soffsets' ends with %lld, but there are %llu rows", d->path, folder,
                 (long long)read[*clients], (unsigned long long)rows);
  return COMITY_OK;
}

static comity_status open_train(comity_dataset *d, flat *f, bool foreign) {
  comity_table *table = &f->tables[COMITY_SPLIT_TRAIN];
  COMITY_TRY(comity_table_open(d->path, "", d->file, "x", "y", foreign, table));
  comity_dataset_adopt(d, table);
  d->stored[COMITY_SPLIT_TRAIN] = table->rows;
  COMITY_TRY(read_offsets(d, d->file, "", table->rows, &d->offsets[COMITY_SPLIT_TRAIN], &d->info.clients));
  COMITY_REQUIRE(d->info.clients > 1 || table->rows <= UINT32_MAX, COMITY_ERR_DATA,
                 "%s: %llu examples are too many for one client; add 'offsets' that divide them", d->path,
                 (unsigned long long)table->rows);
  return COMITY_OK;
}

static comity_status open_test(comity_dataset *d, flat *f, bool foreign) {
  if (H5Lexists(d->file, "test", H5P_DEFAULT) <= 0)
    return COMITY_OK;
  f->test = H5Gopen2(d->file, "test", H5P_DEFAULT);
  if (f->test < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: 'test' is no group with x and y", d->path);
  comity_table *table = &f->tables[COMITY_SPLIT_TEST];
  COMITY_TRY(comity_table_open(d->path, "test/", f->test, "x", "y", foreign, table));
  COMITY_TRY(comity_table_match(&f->tables[COMITY_SPLIT_TRAIN], table));
  d->stored[COMITY_SPLIT_TEST] = table->rows;
  if (H5Lexists(f->test, "offsets", H5P_DEFAULT) <= 0)
    return COMITY_OK; /* a central test set: no client has a part of it */
  size_t clients;
  COMITY_TRY(read_offsets(d, f->test, "test/", table->rows, &d->offsets[COMITY_SPLIT_TEST], &clients));
  COMITY_REQUIRE(clients == d->info.clients, COMITY_ERR_DATA,
                 "%s: 'test/offsets' is for %zu clients, but 'offsets' is for %zu", d->path, clients,
                 d->info.clients);
  return COMITY_OK;
}

static comity_status find_classes(comity_dataset *d, flat *f) {
  const comity_table *train = &f->tables[COMITY_SPLIT_TRAIN];
  int64_t classes = 0, targets = (int64_t)d->info.targets;
  if (comity_h5_has(d->file, "targets"))
    COMITY_TRY(comity_h5_read_integer(d->path, d->file, "targets", &targets));
  COMITY_REQUIRE(targets == (int64_t)d->info.targets, COMITY_ERR_DATA,
                 "%s: attribute 'targets' is %lld, but the rows of 'y' hold %zu", d->path, (long long)targets,
                 d->info.targets);
  if (comity_h5_has(d->file, "classes")) {
    COMITY_TRY(comity_h5_read_integer(d->path, d->file, "classes", &classes));
    COMITY_REQUIRE(classes >= 0 && classes <= 1 << 24 && (classes == 0 || targets == 1), COMITY_ERR_DATA,
                   "%s: attribute 'classes' is %lld; it must be 0 for real targets, or the number of classes",
                   d->path, (long long)classes);
    d->info.classes = (size_t)classes;
    return COMITY_OK;
  }
  d->info.classes = 0;
  if (train->whole) {
    COMITY_TRY(comity_table_classes(train, &d->info.classes));
    if (f->test >= 0)
      COMITY_TRY(comity_table_classes(&f->tables[COMITY_SPLIT_TEST], &d->info.classes));
  }
  return COMITY_OK;
}

static comity_status open_texts(comity_dataset *d, const char *name, size_t count, hid_t *set,
                                size_t *longest) {
  *set = H5Dopen2(d->file, name, H5P_DEFAULT);
  hid_t type = *set < 0 ? -1 : H5Dget_type(*set), space = *set < 0 ? -1 : H5Dget_space(*set);
  bool good = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING &&
              H5Sget_simple_extent_ndims(space) == 1 &&
              H5Sget_simple_extent_npoints(space) == (hssize_t)count;
  *longest = good && H5Tis_variable_str(type) == 0 ? H5Tget_size(type) : COMITY_CLIENT_NAME_BYTES - 1;
  if (type >= 0)
    H5Tclose(type);
  if (space >= 0)
    H5Sclose(space);
  return good ? COMITY_OK
              : comity_h5_fail(COMITY_ERR_DATA, "%s: dataset '%s' is no list of %zu texts", d->path, name,
                               count);
}

static comity_status open_names(comity_dataset *d, flat *f) {
  size_t longest;
  if (H5Lexists(d->file, "client_names", H5P_DEFAULT) > 0)
    COMITY_TRY(open_texts(d, "client_names", d->info.clients, &f->client_names, &longest));
  if (H5Lexists(d->file, "feature_names", H5P_DEFAULT) <= 0)
    return COMITY_OK;
  hid_t set = -1;
  comity_status status;
  COMITY_TRY_OR(done, open_texts(d, "feature_names", d->info.width, &set, &longest));
  d->feature_slot = longest + 1;
  COMITY_TRY_OR(done, COMITY_NEW(d->feature_names, d->info.width * d->feature_slot));
  status = comity_texts_read(set, 0, d->info.width, d->feature_names, d->feature_slot);
  if (status != COMITY_OK)
    status = comity_fail_context(status, "%s: dataset 'feature_names'", d->path);
done:
  if (set >= 0)
    H5Dclose(set);
  return status;
}

static comity_status check_head(const comity_dataset *d) {
  if (!comity_h5_has(d->file, "version"))
    return COMITY_OK;
  int64_t version;
  COMITY_TRY(comity_h5_read_integer(d->path, d->file, "version", &version));
  COMITY_REQUIRE(version == 1, COMITY_ERR_DATA,
                 "%s: version %lld of the flat layout; this Comity knows version 1", d->path,
                 (long long)version);
  return COMITY_OK;
}

static comity_status flat_open(comity_dataset *d) {
  flat *f;
  COMITY_TRY(COMITY_NEW(f, 1));
  d->state = f;
  f->test = f->client_names = -1;
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    f->tables[s] = (comity_table){.x = -1, .y = -1, .x_space = -1, .y_space = -1};
  bool foreign = !comity_h5_has(d->file, "layout");
  COMITY_TRY(check_head(d));
  COMITY_TRY(open_train(d, f, foreign));
  COMITY_TRY(open_test(d, f, foreign));
  COMITY_TRY(find_classes(d, f));
  return open_names(d, f);
}

static comity_status flat_read(comity_dataset *d, comity_split split, uint64_t first, size_t count, void *x,
                               float *y) {
  const flat *f = d->state;
  return comity_table_read(&f->tables[split], first, count, x, y);
}

static const char *flat_client_name(const comity_dataset *d, size_t client) {
  const flat *f = d->state;
  if (f->client_names < 0)
    return NULL;
  if (comity_texts_read(f->client_names, client, 1, d->name, COMITY_CLIENT_NAME_BYTES) != COMITY_OK)
    return NULL;
  return d->name;
}

static void flat_close(comity_dataset *d) {
  flat *f = d->state;
  if (f == NULL)
    return;
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++)
    comity_table_close(&f->tables[s]);
  if (f->client_names >= 0)
    H5Dclose(f->client_names);
  if (f->test >= 0)
    H5Gclose(f->test);
  comity_free(f);
  d->state = NULL;
}

const comity_dataset_layout comity_layout_flat = {
    .name = "flat",
    .open = flat_open,
    .read = flat_read,
    .client_name = flat_client_name,
    .close = flat_close,
};
