/* Any HDF5 structure as a dataset or model: the bytes say which objects a file holds, of which type, shape and values. (Damage
 * to HDF5's own structures is HDF5's to notice; what a sound file holds is ours to check.) */
#include "fuzz_dataset.h"

#include <comity/checkpoint.h>

#include <hdf5.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

typedef struct cursor {
  const uint8_t *at, *end;
} cursor;

static uint8_t take(cursor *c) { return c->at < c->end ? *c->at++ : 0; }

static hid_t type_of(uint8_t byte) {
  const hid_t types[] = {H5T_NATIVE_UINT8, H5T_NATIVE_INT32,  H5T_NATIVE_FLOAT, H5T_NATIVE_INT64,
                         H5T_NATIVE_INT8,  H5T_NATIVE_DOUBLE, H5T_NATIVE_INT16, H5T_NATIVE_UINT64};
  return types[byte % (sizeof types / sizeof *types)];
}

static void add_attribute(cursor *c, hid_t object) {
  static const char *const names[] = {"scale",  "classes", "targets", "version",
                                      "layout", "round",   "loss",    "format"};
  const char *name = names[take(c) % 8];
  double value = (double)(int8_t)take(c);
  hid_t space = H5Screate(H5S_SCALAR), type = type_of(take(c));
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) {
    H5Awrite(attribute, H5T_NATIVE_DOUBLE, &value);
    H5Aclose(attribute);
  }
  H5Sclose(space);
}

static void add_dataset(cursor *c, hid_t file) {
  static const char *const names[] = {"x",
                                      "y",
                                      "offsets",
                                      "test/x",
                                      "test/y",
                                      "test/offsets",
                                      "parameters",
                                      "mean",
                                      "examples/a/label",
                                      "examples/a/pixels",
                                      "examples/b/label",
                                      "examples/b/pixels",
                                      "job",
                                      "inverse",
                                      "client_names",
                                      "feature_names"};
  const char *name = names[take(c) % 16];
  hid_t type = type_of(take(c)), links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  int rank = take(c) % 6;
  hsize_t shape[6], points = 1;
  for (int i = 0; i < rank; i++) {
    shape[i] = take(c) % 7;
    points *= shape[i];
  }
  hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, shape, NULL);
  hid_t set = H5Dcreate2(file, name, type, space, links, H5P_DEFAULT, H5P_DEFAULT);
  if (set >= 0) {
    double *values = calloc(points + 1, sizeof *values);
    for (hsize_t i = 0; i < points; i++) {
      uint8_t byte = take(c);
      values[i] = byte == 255 ? 0.0 / 0.0 : (double)(int8_t)byte;
    }
    H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    free(values);
    if (take(c) % 2 == 1)
      add_attribute(c, set);
    H5Dclose(set);
  }
  H5Sclose(space);
  H5Pclose(links);
}

static void read_dataset(const char *path, uint8_t choice) {
  comity_dataset *dataset = NULL;
  comity_examples examples;
  comity_dataset_options options = {.holdout = choice % 2 == 0 ? 0 : 0.25, .cache_bytes = 256};
  if (comity_dataset_open(path, &options, &dataset) != COMITY_OK) {
    fuzz_must(comity_error_message()[0] != '\0', "a failure without a message");
    return;
  }
  const comity_dataset_info *info = comity_dataset_describe(dataset);
  float x[8192], y[8192];
  for (int split = 0; split < COMITY_SPLIT_COUNT; split++)
    for (size_t client = 0; client < info->clients; client++) {
      size_t count = comity_dataset_count(dataset, (comity_split)split, client);
      if (comity_dataset_load(dataset, (comity_split)split, client, &examples) != COMITY_OK)
        continue;
      fuzz_must(examples.count == count, "another number of examples than was told");
      if (count * examples.width <= 8192 && count * examples.targets <= 8192)
        comity_examples_batch(&examples, NULL, 0, count, x, y);
    }
  comity_dataset_destroy(&dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static char path[64];
  if (path[0] == '\0')
    snprintf(path, sizeof path, "/dev/shm/comity-fuzz-in-%ld.h5", (long)getpid());
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  cursor c = {bytes, bytes + count};
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  uint8_t choice = take(&c);
  for (int i = 0; i < 12 && c.at < c.end; i++)
    if (take(&c) % 4 == 0)
      add_attribute(&c, file);
    else
      add_dataset(&c, file);
  H5Fclose(file);
  comity_loaded_model loaded = {0};
  read_dataset(path, choice);
  if (comity_model_read(path, &loaded) == COMITY_OK)
    comity_loaded_model_clear(&loaded);
  unlink(path);
  return 0;
}
