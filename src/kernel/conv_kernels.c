/* The list of convolution kernels, and the choice among them. */
#include "kernel_impl.h"

#include <string.h>

const comity_conv_kernel *const comity_conv_kernels[] = {
#if defined(COMITY_X86)
    &comity_conv_winograd_avx512, &comity_conv_direct_avx512, &comity_conv_winograd_avx2,
    &comity_conv_direct_avx2,
#endif
    &comity_conv_winograd_base,   &comity_conv_direct_base,   &comity_conv_openblas,
};
const size_t comity_conv_kernel_count = sizeof comity_conv_kernels / sizeof comity_conv_kernels[0];

const comity_conv_kernel *comity_conv_choose(const comity_conv_shape *shape, comity_kernels kernels) {
  static const char *const names[] = {"native", "openblas", "native", "onednn"};
  comity_isa best = comity_isa_best();
  for (size_t i = 0; i < comity_conv_kernel_count; i++) {
    const comity_conv_kernel *kernel = comity_conv_kernels[i];
    if (kernel->isa <= best && strcmp(kernel->name, names[kernels]) == 0 &&
        (kernel->fits == NULL || kernel->fits(shape)))
      return kernel;
  }
  return &comity_conv_openblas;
}
