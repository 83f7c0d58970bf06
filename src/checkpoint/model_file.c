/* model.h5: the trained model as one file that needs nothing else, here and in other languages. */
#include "checkpoint_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODEL_VERSION = 1, NAME_BYTES = sizeof((comity_tensor *)NULL)->name };

/* Where each tensor lies, as columns. */
static comity_status write_tensors(const char *path, hid_t group, const comity_model *model) {
  size_t count = comity_model_tensors(model);
  char *name = NULL;
  uint64_t *offset = NULL, *length = NULL, *shape = NULL;
  comity_status status = COMITY_OK;
  hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, NAME_BYTES);
  H5Tset_cset(text, H5T_CSET_UTF8);
  COMITY_TRY_OR(done, COMITY_NEW(name, count * NAME_BYTES));
  COMITY_TRY_OR(done, COMITY_NEW(offset, count));
  COMITY_TRY_OR(done, COMITY_NEW(length, count));
  COMITY_TRY_OR(done, COMITY_NEW(shape, count * COMITY_SHAPE_MAX));
  for (size_t i = 0; i < count; i++) {
    const comity_tensor *tensor = comity_model_tensor(model, i);
    memcpy(name + i * NAME_BYTES, tensor->name, NAME_BYTES);
    offset[i] = tensor->offset;
    length[i] = tensor->length;
    for (size_t k = 0; k < tensor->rank; k++)
      shape[i * COMITY_SHAPE_MAX + k] = tensor->shape[k];
  }
  hsize_t extent[2] = {count, COMITY_SHAPE_MAX};
  COMITY_TRY_OR(done, comity_h5_write(path, group, "name", text, 1, extent, name));
  COMITY_TRY_OR(done, comity_h5_write(path, group, "offset", H5T_NATIVE_UINT64, 1, extent, offset));
  COMITY_TRY_OR(done, comity_h5_write(path, group, "length", H5T_NATIVE_UINT64, 1, extent, length));
  COMITY_TRY_OR(done, comity_h5_write(path, group, "shape", H5T_NATIVE_UINT64, 2, extent, shape));
done:
  H5Tclose(text);
  comity_free(name);
  comity_free(offset);
  comity_free(length);
  comity_free(shape);
  return status;
}

static size_t width_of(const comity_model_spec *spec) {
  size_t width = 1;
  for (size_t i = 0; i < spec->shape_rank; i++)
    width *= spec->shape[i];
  return width;
}

static comity_status write_attributes(const char *path, hid_t file, const comity_model_file *model) {
  const comity_model_spec *spec = comity_model_describe(model->model);
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", COMITY_VERSION_MAJOR, COMITY_VERSION_MINOR,
           COMITY_VERSION_PATCH);
  COMITY_TRY(comity_h5_write_text(path, file, "format", "comity-model"));
  COMITY_TRY(comity_h5_write_integer(path, file, "version", MODEL_VERSION));
  COMITY_TRY(comity_h5_write_text(path, file, "comity", version));
  COMITY_TRY(comity_h5_write_integer(path, file, "round", (int64_t)model->round));
  COMITY_TRY(comity_h5_write_real(path, file, "scale", model->scale));
  COMITY_TRY(comity_h5_write_integer(path, file, "classes", (int64_t)spec->classes));
  COMITY_TRY(comity_h5_write_integer(path, file, "targets", (int64_t)spec->targets));
  return comity_h5_write_text(path, file, "loss", spec->loss);
}

/* The extent of a one-dimensional dataset. */
static comity_status extent_of(const char *path, hid_t file, const char *name, size_t *extent) {
  hid_t set = H5Lexists(file, name, H5P_DEFAULT) > 0 ? H5Dopen2(file, name, H5P_DEFAULT) : -1;
  COMITY_REQUIRE(set >= 0, COMITY_ERR_DATA, "%s: no dataset '%s'", path, name);
  hid_t space = H5Dget_space(set);
  hsize_t found = 0;
  bool flat = H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, &found, NULL) == 1;
  H5Sclose(space);
  H5Dclose(set);
  COMITY_REQUIRE(flat, COMITY_ERR_DATA, "%s: dataset '%s' is not a vector", path, name);
  *extent = (size_t)found;
  return COMITY_OK;
}

/* Little-endian whatever the machine: HDF5 converts to the type that it is asked for. */
static comity_status hash_set(const char *path, hid_t file, const char *name,
                              uint8_t digest[COMITY_HASH_BYTES]) {
  enum { BLOCK = 1 << 18 };
  size_t count;
  comity_hash *hash = NULL;
  uint8_t *block = NULL;
  COMITY_TRY(extent_of(path, file, name, &count));
  hid_t set = H5Dopen2(file, name, H5P_DEFAULT), in_file = H5Dget_space(set);
  comity_status status = comity_hash_new(&hash);
  if (status == COMITY_OK)
    status = COMITY_NEW(block, BLOCK * 4);
  for (size_t first = 0; first < count && status == COMITY_OK; first += BLOCK) {
    hsize_t offset = first, here = count - first < BLOCK ? count - first : BLOCK;
    hid_t in_memory = H5Screate_simple(1, &here, NULL);
    if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, &offset, NULL, &here, NULL) < 0 ||
        H5Dread(set, H5T_IEEE_F32LE, in_memory, in_file, H5P_DEFAULT, block) < 0)
      status = comity_h5_fail(COMITY_ERR_DATA, "%s: cannot read dataset '%s'", path, name);
    else
      comity_hash_add(hash, block, (size_t)here * 4);
    H5Sclose(in_memory);
  }
  if (status == COMITY_OK)
    comity_hash_finish(hash, digest);
  comity_hash_destroy(&hash);
  comity_free(block);
  H5Sclose(in_file);
  H5Dclose(set);
  return status;
}

static comity_status hex_of_parameters(const char *path, hid_t file, char hex[2 * COMITY_HASH_BYTES + 1]) {
  uint8_t digest[COMITY_HASH_BYTES];
  COMITY_TRY(hash_set(path, file, "parameters", digest));
  comity_hash_hex(digest, hex);
  return COMITY_OK;
}

/* Parameters that were altered since they were written are not those of the run. */
static comity_status check_digest(const char *path, hid_t file) {
  char hex[2 * COMITY_HASH_BYTES + 1], *stored = NULL;
  if (!comity_h5_has(file, "digest")) /* made by hand */
    return COMITY_OK;
  COMITY_TRY(hex_of_parameters(path, file, hex));
  COMITY_TRY(comity_h5_read_text(path, file, "digest", &stored));
  bool same = strcmp(stored, hex) == 0;
  comity_free(stored);
  COMITY_REQUIRE(
      same, COMITY_ERR_DATA,
      "%s: the parameters were altered since the file was written: their digest differs from attribute "
      "'digest'; take another copy of the file",
      path);
  return COMITY_OK;
}

static comity_status write_sets(const char *path, hid_t file, const void *context) {
  const comity_model_file *model = context;
  const comity_model_spec *spec = comity_model_describe(model->model);
  hsize_t width = width_of(spec);
  uint64_t shape[COMITY_SHAPE_MAX] = {0};
  for (size_t i = 0; i < spec->shape_rank; i++)
    shape[i] = spec->shape[i];
  COMITY_TRY(write_attributes(path, file, model));
  COMITY_TRY(comity_h5_write(path, file, "parameters", H5T_NATIVE_FLOAT, 1,
                             (hsize_t[]){comity_model_parameters(model->model)}, model->parameters));
  COMITY_TRY(
      comity_h5_write(path, file, "input_shape", H5T_NATIVE_UINT64, 1, (hsize_t[]){spec->shape_rank}, shape));
  if (model->mean != NULL) {
    COMITY_TRY(comity_h5_write(path, file, "mean", H5T_NATIVE_FLOAT, 1, &width, model->mean));
    COMITY_TRY(comity_h5_write(path, file, "inverse", H5T_NATIVE_FLOAT, 1, &width, model->inverse));
  }
  COMITY_TRY(comity_h5_write_string(path, file, "job", model->job == NULL ? "" : model->job));
  char hex[2 * COMITY_HASH_BYTES + 1];
  COMITY_TRY(hex_of_parameters(path, file, hex));
  COMITY_TRY(comity_h5_write_text(path, file, "digest", hex));
  hid_t group = H5Gcreate2(file, "tensors", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  if (group < 0)
    return comity_h5_fail(COMITY_ERR_IO, "%s: cannot create the group 'tensors'", path);
  comity_status status = write_tensors(path, group, model->model);
  H5Gclose(group);
  return status;
}

comity_status comity_model_write(const char *path, const comity_model_file *model) {
  COMITY_REQUIRE((model->mean == NULL) == (model->inverse == NULL), COMITY_ERR_ARG,
                 "%s: mean and inverse come together or not at all", path);
  return comity_h5_replace(path, write_sets, model);
}

void comity_loaded_model_clear(comity_loaded_model *loaded) {
  comity_model_destroy(&loaded->model);
  comity_free(loaded->parameters);
  comity_free(loaded->mean);
  comity_free(loaded->inverse);
  comity_free(loaded->job);
  *loaded = (comity_loaded_model){0};
}

/* What the model was made for, as far as building it again needs to know. */
static comity_status read_purpose(const char *path, hid_t file, comity_dataset_info *info) {
  int64_t classes, targets;
  uint64_t shape[COMITY_SHAPE_MAX];
  COMITY_TRY(comity_h5_read_integer(path, file, "classes", &classes));
  COMITY_TRY(comity_h5_read_integer(path, file, "targets", &targets));
  COMITY_REQUIRE(classes >= 0 && classes <= INT32_MAX && targets >= 1 && targets <= INT32_MAX,
                 COMITY_ERR_DATA, "%s: %" PRId64 " classes and %" PRId64 " targets make no sense", path,
                 classes, targets);
  COMITY_TRY(extent_of(path, file, "input_shape", &info->shape_rank));
  COMITY_REQUIRE(info->shape_rank >= 1 && info->shape_rank <= COMITY_SHAPE_MAX, COMITY_ERR_DATA,
                 "%s: dataset 'input_shape' has %zu extents, expected 1 to %d", path, info->shape_rank,
                 COMITY_SHAPE_MAX);
  COMITY_TRY(comity_h5_read(path, file, "input_shape", H5T_NATIVE_UINT64, info->shape_rank, shape));
  info->width = 1;
  for (size_t i = 0; i < info->shape_rank; i++) {
    COMITY_REQUIRE(shape[i] >= 1 && shape[i] <= INT32_MAX / info->width, COMITY_ERR_DATA,
                   "%s: dataset 'input_shape' makes no sense", path);
    info->shape[i] = (size_t)shape[i];
    info->width *= info->shape[i];
  }
  info->classes = (size_t)classes;
  info->targets = (size_t)targets;
  return COMITY_OK;
}

static comity_status build(const char *path, const comity_dataset_info *info, const char *job,
                           comity_model **model) {
  comity_config *config = NULL;
  comity_model_spec *spec = NULL; /* too large for a stack frame */
  comity_status status = COMITY_NEW(spec, 1);
  if (status == COMITY_OK)
    status = comity_config_new(&config);
  if (status == COMITY_OK)
    status = comity_config_parse(config, "its job", job, strlen(job));
  if (status == COMITY_OK)
    status = comity_model_spec_read(config, info, spec);
  if (status == COMITY_OK)
    status = comity_model_new(spec, model);
  if (status != COMITY_OK)
    status = comity_fail_context(status == COMITY_ERR_CONFIG ? COMITY_ERR_DATA : status, "%s", path);
  comity_config_destroy(&config);
  comity_free(spec);
  return status;
}

static comity_status check_format(const char *path, hid_t file) {
  char *format = NULL;
  int64_t version;
  comity_status status = comity_h5_read_text(path, file, "format", &format);
  if (status == COMITY_OK && strcmp(format, "comity-model") != 0)
    status = COMITY_ERR_DATA;
  comity_free(format);
  if (status == COMITY_ERR_DATA)
    return comity_fail(status, "%s: is not a model file of Comity", path);
  COMITY_TRY(status);
  COMITY_TRY(comity_h5_read_integer(path, file, "version", &version));
  COMITY_REQUIRE(version == MODEL_VERSION, COMITY_ERR_DATA,
                 "%s: has version %" PRId64 ", but this Comity reads version %d", path, version,
                 MODEL_VERSION);
  return COMITY_OK;
}

static comity_status read_sets(const char *path, hid_t file, comity_loaded_model *loaded) {
  comity_dataset_info info = {.path = path, .layout = "flat", .clients = 1, .type = COMITY_F32};
  size_t stored;
  int64_t round;
  char *loss = NULL;
  COMITY_TRY(check_format(path, file));
  COMITY_TRY(comity_h5_read_integer(path, file, "round", &round));
  COMITY_REQUIRE(round >= 0, COMITY_ERR_DATA, "%s: attribute 'round' is negative", path);
  loaded->round = (uint64_t)round;
  COMITY_TRY(comity_h5_read_real(path, file, "scale", &loaded->scale));
  info.scale = loaded->scale;
  COMITY_TRY(read_purpose(path, file, &info));
  COMITY_TRY(comity_h5_read_string(path, file, "job", &loaded->job));
  COMITY_TRY(build(path, &info, loaded->job, &loaded->model));
  COMITY_TRY(comity_h5_read_text(path, file, "loss", &loss));
  bool same = strcmp(loss, comity_model_describe(loaded->model)->loss) == 0;
  comity_free(loss);
  COMITY_REQUIRE(same, COMITY_ERR_DATA, "%s: attribute 'loss' and the job stored with it disagree", path);
  size_t parameters = comity_model_parameters(loaded->model);
  COMITY_TRY(extent_of(path, file, "parameters", &stored));
  COMITY_REQUIRE(stored == parameters, COMITY_ERR_DATA,
                 "%s: holds %zu parameters, but the model in its job has %zu", path, stored, parameters);
  COMITY_TRY(COMITY_NEW(loaded->parameters, parameters));
  COMITY_TRY(comity_h5_read(path, file, "parameters", H5T_NATIVE_FLOAT, parameters, loaded->parameters));
  COMITY_TRY(check_digest(path, file));
  if (H5Lexists(file, "mean", H5P_DEFAULT) > 0) {
    COMITY_TRY(COMITY_NEW(loaded->mean, info.width));
    COMITY_TRY(COMITY_NEW(loaded->inverse, info.width));
    COMITY_TRY(comity_h5_read(path, file, "mean", H5T_NATIVE_FLOAT, info.width, loaded->mean));
    COMITY_TRY(comity_h5_read(path, file, "inverse", H5T_NATIVE_FLOAT, info.width, loaded->inverse));
  }
  return COMITY_OK;
}

comity_status comity_model_read(const char *path, comity_loaded_model *loaded) {
  hid_t file;
  COMITY_TRY(comity_h5_open(path, &file));
  comity_loaded_model read = {0};
  comity_status status = read_sets(path, file, &read);
  H5Fclose(file);
  if (status != COMITY_OK)
    comity_loaded_model_clear(&read);
  else
    *loaded = read;
  return status;
}

comity_status comity_model_hash(const char *path, uint8_t digest[COMITY_HASH_BYTES]) {
  struct stat about;
  bool folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
  if (folder)
    COMITY_TRY(comity_checkpoint_verify(path, true));
  char *name = comity_text(folder ? "%s/server.h5" : "%s", path);
  hid_t file;
  comity_status status = name == NULL ? COMITY_ERR_MEMORY : comity_h5_open(name, &file);
  if (status == COMITY_OK) {
    if (!folder)
      status = check_format(name, file);
    if (status == COMITY_OK && !folder)
      status = check_digest(name, file);
    if (status == COMITY_OK)
      status = hash_set(name, file, folder ? "model" : "parameters", digest);
    H5Fclose(file);
  }
  comity_free(name);
  return status;
}
