/* What a checkpoint holds, for people. */
#include "checkpoint_impl.h"

#include <inttypes.h>
#include <string.h>

static size_t points_of(hid_t file, const char *name) {
  hid_t set = H5Lexists(file, name, H5P_DEFAULT) > 0 ? H5Dopen2(file, name, H5P_DEFAULT) : -1;
  if (set < 0)
    return 0;
  hid_t space = H5Dget_space(set);
  hssize_t points = H5Sget_simple_extent_npoints(space);
  H5Sclose(space);
  H5Dclose(set);
  return points < 0 ? 0 : (size_t)points;
}

static comity_status print_part(const char *folder, const comity_part *part, FILE *out) {
  char *path = comity_text("%s/%s", folder, part->name);
  hid_t file;
  comity_status status = path == NULL ? COMITY_ERR_MEMORY : comity_h5_open(path, &file);
  if (status == COMITY_OK) {
    fprintf(out, "  %-16s %12" PRIu64 " bytes  ", part->name, part->bytes);
    if (strcmp(part->name, "server.h5") == 0)
      fprintf(out, "%zu parameters, server state of %zu\n", points_of(file, "model"),
              points_of(file, "server_state"));
    else
      fprintf(out, "states of %zu clients\n", points_of(file, "client"));
    H5Fclose(file);
  }
  comity_free(path);
  return status;
}

comity_status comity_checkpoint_print(const char *path, FILE *out) {
  comity_manifest manifest;
  COMITY_TRY(comity_checkpoint_verify(path, true));
  COMITY_TRY(comity_manifest_read(path, &manifest));
  fprintf(out, "checkpoint of round %" PRIu64 ", %zu files, all digests right\n", manifest.round,
          manifest.count);
  comity_status status = COMITY_OK;
  for (size_t i = 0; i < manifest.count && status == COMITY_OK; i++)
    status = print_part(path, &manifest.part[i], out);
  comity_manifest_clear(&manifest);
  return status;
}
