/* HDF5 with errors that name the file, the object and the reason. */
#include "core_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void comity_h5_quiet(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

static herr_t innermost(unsigned n, const H5E_error2_t *error, void *reason) {
  if (n == 0 && error->desc != NULL)
    snprintf(reason, 256, "%s", error->desc);
  return 0;
}

comity_status comity_h5_fail(comity_status status, const char *format, ...) {
  int number = errno;
  char text[1024], reason[256] = "";
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
  H5Eclear2(H5E_DEFAULT);
  if (strstr(reason, "No space left") != NULL || strstr(reason, "quota") != NULL || number == ENOSPC ||
      number == EDQUOT)
    return comity_fail(COMITY_ERR_FULL, "%s: no space left on the disk", text);
  return reason[0] != '\0' ? comity_fail(status, "%s (HDF5: %s)", text, reason)
                           : comity_fail(status, "%s", text);
}

comity_status comity_h5_open(const char *path, hid_t *file) {
  comity_h5_quiet();
  FILE *probe = fopen(path, "rb"); /* HDF5 does not tell a missing file from a forbidden one */
  if (probe == NULL)
    return comity_fail_errno("%s: cannot open", path);
  errno = 0;
  char byte;
  bool readable = fread(&byte, 1, 1, probe) == 1 || !ferror(probe);
  comity_status status = readable ? COMITY_OK
                         : errno == EISDIR
                             ? comity_fail(COMITY_ERR_IO, "%s: is a folder; name a file in it", path)
                             : comity_fail_errno("%s: cannot read", path);
  fclose(probe);
  COMITY_TRY(status);
  errno = 0;
  COMITY_REQUIRE(H5Fis_hdf5(path) > 0, COMITY_ERR_DATA,
                 "%s: not an HDF5 file; import it with 'comity data import'", path);
  hid_t opened = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (opened < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: a damaged or truncated HDF5 file", path);
  *file = opened;
  return COMITY_OK;
}

/* HDF5 crashes at exit when not even a file's first bytes could be written, so see whether they can be. */
static comity_status probe_room(const char *path) {
  static const char block[4096];
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0)
    return comity_fail_errno("%s: cannot create", path);
  comity_status status = COMITY_OK;
  errno = ENOSPC; /* a short count sets none */
  if (pwrite(file, block, sizeof block, 0) != (ssize_t)sizeof block) {
    status = comity_fail_errno("%s: cannot write", path);
    unlink(path);
  }
  close(file);
  return status;
}

comity_status comity_h5_create(const char *path, hid_t *file) {
  comity_h5_quiet();
  COMITY_TRY(probe_room(path));
  errno = 0;
  /* The format since HDF5 1.8 has checksums in its own structures, so that a flipped bit there is noticed. */
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
  hid_t created = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  if (created < 0) {
    comity_status status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot create", path);
    unlink(path);
    return status;
  }
  *file = created;
  return COMITY_OK;
}

/* HDF5 writes what it still holds when a file is closed, and crashes at exit where it cannot. So what is of
 * no use any more goes to a file in memory that takes the place of the one on the full disk. */
void comity_h5_discard(hid_t file) {
  int *handle = NULL, memory = memfd_create("comity", MFD_CLOEXEC);
  if (memory >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&handle) >= 0 && handle != NULL)
    dup2(memory, *handle);
  if (memory >= 0)
    close(memory);
  H5Fclose(file);
  H5Eclear2(H5E_DEFAULT);
}

/* A file cannot be closed any more after a flush that failed, so get the disk's promise before. */
static comity_status reserve(const char *path, hid_t file) {
  int *handle = NULL;
  hsize_t size = 0;
  if (H5Fget_filesize(file, &size) < 0 || H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&handle) < 0 ||
      handle == NULL || size == 0)
    return COMITY_OK;
  if (fallocate(*handle, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0 ||
      (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)) {
    errno = 0;
    return COMITY_OK; /* granted, or a file system that makes no promises */
  }
  return comity_fail(COMITY_ERR_FULL, "%s: cannot write %llu bytes: no space left on the disk", path,
                     (unsigned long long)size);
}

comity_status comity_h5_close(const char *path, hid_t file) {
  comity_h5_quiet();
  errno = 0;
  comity_status status = reserve(path, file);
  if (status == COMITY_OK && H5Fflush(file, H5F_SCOPE_GLOBAL) < 0)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write", path);
  if (status != COMITY_OK)
    comity_h5_discard(file);
  else if (H5Fclose(file) < 0)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write", path);
  return status;
}

comity_status comity_h5_write(const char *path, hid_t parent, const char *name, hid_t memory_type, int rank,
                              const hsize_t *shape, const void *values) {
  comity_h5_quiet();
  errno = 0;
  comity_status status = COMITY_OK;
  hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, shape, NULL);
  hid_t set =
      space < 0 ? -1 : H5Dcreate2(parent, name, memory_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  bool empty = space >= 0 && H5Sget_simple_extent_npoints(space) == 0;
  if (set < 0 || (!empty && H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0))
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset '%s'", path, name);
  if (set >= 0 && H5Dclose(set) < 0 && status == COMITY_OK)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write dataset '%s'", path, name);
  if (space >= 0)
    H5Sclose(space);
  return status;
}

comity_status comity_h5_read(const char *path, hid_t parent, const char *name, hid_t memory_type,
                             size_t count, void *values) {
  comity_h5_quiet();
  hid_t set = H5Lexists(parent, name, H5P_DEFAULT) > 0 ? H5Dopen2(parent, name, H5P_DEFAULT) : -1;
  if (set < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: no dataset '%s'", path, name);
  comity_status status = COMITY_OK;
  hid_t space = H5Dget_space(set);
  hssize_t points = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
  if (points < 0 || (size_t)points != count)
    status = comity_fail(COMITY_ERR_DATA, "%s: dataset '%s' holds %lld elements, expected %zu", path, name,
                         (long long)points, count);
  else if (count > 0 && H5Dread(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
    status = comity_h5_fail(COMITY_ERR_DATA, "%s: cannot read dataset '%s'", path, name);
  if (space >= 0)
    H5Sclose(space);
  H5Dclose(set);
  return status;
}

static comity_status write_attribute(const char *path, hid_t object, const char *name, hid_t type,
                                     const void *value) {
  errno = 0;
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  comity_status status = COMITY_OK;
  if (attribute < 0 || H5Awrite(attribute, type, value) < 0)
    status = comity_h5_fail(COMITY_ERR_IO, "%s: cannot write attribute '%s'", path, name);
  if (attribute >= 0)
    H5Aclose(attribute);
  H5Sclose(space);
  return status;
}

comity_status comity_h5_write_integer(const char *path, hid_t object, const char *name, int64_t value) {
  return write_attribute(path, object, name, H5T_NATIVE_INT64, &value);
}

comity_status comity_h5_write_real(const char *path, hid_t object, const char *name, double value) {
  return write_attribute(path, object, name, H5T_NATIVE_DOUBLE, &value);
}

/* An attribute is limited to 64 KiB in HDF5's default format; longer text (a resolved job) belongs into a
 * dataset. */
comity_status comity_h5_write_text(const char *path, hid_t object, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(text) + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  comity_status status = write_attribute(path, object, name, type, text);
  H5Tclose(type);
  return status;
}

bool comity_h5_has(hid_t object, const char *name) { return H5Aexists(object, name) > 0; }

static comity_status open_attribute(const char *path, hid_t object, const char *name, hid_t *attribute) {
  comity_h5_quiet();
  *attribute = comity_h5_has(object, name) ? H5Aopen(object, name, H5P_DEFAULT) : -1;
  return *attribute < 0 ? comity_fail(COMITY_ERR_DATA, "%s: no attribute '%s'", path, name) : COMITY_OK;
}

static comity_status read_number(const char *path, hid_t object, const char *name, hid_t type, void *value) {
  hid_t attribute;
  COMITY_TRY(open_attribute(path, object, name, &attribute));
  hid_t space = H5Aget_space(attribute);
  bool single = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
  comity_status status = COMITY_OK;
  if (!single || H5Aread(attribute, type, value) < 0)
    status = comity_h5_fail(COMITY_ERR_DATA, "%s: attribute '%s' is not one number", path, name);
  if (space >= 0)
    H5Sclose(space);
  H5Aclose(attribute);
  return status;
}

comity_status comity_h5_read_integer(const char *path, hid_t object, const char *name, int64_t *value) {
  return read_number(path, object, name, H5T_NATIVE_INT64, value);
}

comity_status comity_h5_read_real(const char *path, hid_t object, const char *name, double *value) {
  return read_number(path, object, name, H5T_NATIVE_DOUBLE, value);
}

comity_status comity_h5_read_text(const char *path, hid_t object, const char *name, char **text) {
  hid_t attribute;
  COMITY_TRY(open_attribute(path, object, name, &attribute));
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  comity_status status = COMITY_OK;
  char *read = NULL;
  if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1)
    status = comity_fail(COMITY_ERR_DATA, "%s: attribute '%s' is not one text", path, name);
  else if (H5Tis_variable_str(type) > 0) {
    char *lent = NULL;
    if (H5Aread(attribute, type, &lent) < 0 || lent == NULL)
      status = comity_h5_fail(COMITY_ERR_DATA, "%s: cannot read attribute '%s'", path, name);
    else {
      read = comity_text("%s", lent);
      status = read == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
      H5Dvlen_reclaim(type, space, H5P_DEFAULT, &lent);
    }
  } else {
    size_t size = H5Tget_size(type);
    status = COMITY_NEW(read, size + 1);
    if (status == COMITY_OK && H5Aread(attribute, type, read) < 0)
      status = comity_h5_fail(COMITY_ERR_DATA, "%s: cannot read attribute '%s'", path, name);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  if (status == COMITY_OK)
    *text = read;
  else
    comity_free(read);
  return status;
}

comity_status comity_h5_replace(const char *path, comity_h5_writer *writer, const void *context) {
  char *aside = comity_text("%s.part", path);
  hid_t file = -1;
  comity_status status = aside == NULL ? COMITY_ERR_MEMORY : comity_h5_create(aside, &file);
  if (status == COMITY_OK) {
    status = writer(aside, file, context);
    if (status == COMITY_OK)
      status = comity_h5_close(aside, file);
    else
      comity_h5_discard(file);
    if (status == COMITY_OK)
      status = comity_file_commit(aside, path);
    if (status != COMITY_OK)
      unlink(aside);
  }
  comity_free(aside);
  return status;
}
