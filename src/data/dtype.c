/* The number types in which features are stored. */
#include "data_impl.h"

static const struct {
  const char *name;
  size_t size;
} types[] = {[COMITY_U8] = {"uint8", 1},   [COMITY_I8] = {"int8", 1},   [COMITY_I16] = {"int16", 2},
             [COMITY_U16] = {"uint16", 2}, [COMITY_I32] = {"int32", 4}, [COMITY_F32] = {"float32", 4},
             [COMITY_F64] = {"float64", 8}};
enum { TYPE_COUNT = sizeof types / sizeof *types };

size_t comity_dtype_size(comity_dtype type) { return (size_t)type < TYPE_COUNT ? types[type].size : 0; }

const char *comity_dtype_name(comity_dtype type) {
  return (size_t)type < TYPE_COUNT ? types[type].name : "unknown";
}

hid_t comity_dtype_h5(comity_dtype type) {
  switch (type) {
  case COMITY_U8:
    return H5T_NATIVE_UINT8;
  case COMITY_I8:
    return H5T_NATIVE_INT8;
  case COMITY_I16:
    return H5T_NATIVE_INT16;
  case COMITY_U16:
    return H5T_NATIVE_UINT16;
  case COMITY_I32:
    return H5T_NATIVE_INT32;
  case COMITY_F32:
    return H5T_NATIVE_FLOAT;
  case COMITY_F64:
    return H5T_NATIVE_DOUBLE;
  }
  return -1;
}

bool comity_dtype_from_h5(hid_t type, comity_dtype *result) {
  size_t size = H5Tget_size(type);
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_FLOAT) {
    *result = size <= 4 ? COMITY_F32 : COMITY_F64;
    return true;
  }
  if (class != H5T_INTEGER)
    return false;
  bool sign = H5Tget_sign(type) != H5T_SGN_NONE;
  if (size == 1)
    *result = sign ? COMITY_I8 : COMITY_U8;
  else if (size == 2)
    *result = sign ? COMITY_I16 : COMITY_U16;
  else
    *result = size == 4 && sign ? COMITY_I32 : COMITY_F64;
  return true;
}
