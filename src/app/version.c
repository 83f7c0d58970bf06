/* comity version: what this binary is made of. */
#include "app_impl.h"

#include <hdf5.h>
#include <mpi.h>

int comity_app_version(int argc, char **argv) {
  (void)argc;
  (void)argv;
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  unsigned major = 0, minor = 0, release = 0;
  MPI_Get_library_version(mpi, &length);
  for (int i = 0; i < length; i++)
    if (mpi[i] == '\n' || mpi[i] == ',')
      mpi[i] = '\0';
  H5get_libversion(&major, &minor, &release);
  char kernels[COMITY_KERNELS_TEXT];
  printf("comity %d.%d.%d\n%s\nkernels: %s\nHDF5 %u.%u.%u\n", COMITY_VERSION_MAJOR, COMITY_VERSION_MINOR,
         COMITY_VERSION_PATCH, mpi, comity_kernels_text(kernels), major, minor, release);
  return 0;
}
