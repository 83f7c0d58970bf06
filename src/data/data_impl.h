/* What the files of this folder share: stored types as HDF5 sees them. */
#ifndef COMITY_DATA_IMPL_H
#define COMITY_DATA_IMPL_H

#include <comity/data.h>

#include "core/core_impl.h"

/* The HDF5 type of values in memory. Not to be closed. */
hid_t comity_dtype_h5(comity_dtype type);
/* The type in which values of this HDF5 type are kept in memory: the same one where Comity has it, float for
 * half precision, double for wider integers. false when they are no numbers. */
bool comity_dtype_from_h5(hid_t type, comity_dtype *result);

#endif
