/* Texts of any length as scalar datasets, where an attribute's 64 KiB would be too few. */
#include "core_impl.h"

#include <string.h>

comity_status comity_h5_write_string(const char *path, hid_t parent, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(text) + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  comity_status status = comity_h5_write(path, parent, name, type, 0, NULL, text);
  H5Tclose(type);
  return status;
}

comity_status comity_h5_read_string(const char *path, hid_t parent, const char *name, char **text) {
  hid_t set = H5Lexists(parent, name, H5P_DEFAULT) > 0 ? H5Dopen2(parent, name, H5P_DEFAULT) : -1;
  if (set < 0)
    return comity_h5_fail(COMITY_ERR_DATA, "%s: no dataset '%s'", path, name);
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  comity_status status = COMITY_OK;
  char *read = NULL;
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0 ||
      H5Sget_simple_extent_npoints(space) != 1)
    status = comity_fail(COMITY_ERR_DATA, "%s: dataset '%s' is not one text", path, name);
  else
    status = COMITY_NEW(read, H5Tget_size(type) + 1);
  if (status == COMITY_OK && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, read) < 0)
    status = comity_h5_fail(COMITY_ERR_DATA, "%s: cannot read dataset '%s'", path, name);
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(set);
  if (status == COMITY_OK)
    *text = read;
  else
    comity_free(read);
  return status;
}
