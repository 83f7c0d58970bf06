/* The list of pools, and the choice among them. */
#include "kernel_impl.h"

const comity_pool_kernel *const comity_pool_kernels[] = {
#if defined(COMITY_X86)
    &comity_pool_native_avx512,
    &comity_pool_native_avx2,
#endif
    &comity_pool_native_base,
};
const size_t comity_pool_kernel_count = sizeof comity_pool_kernels / sizeof comity_pool_kernels[0];

const comity_pool_kernel *comity_pool_choose(void) {
  size_t i = 0;
  while (comity_pool_kernels[i]->isa > comity_isa_best())
    i++;
  return comity_pool_kernels[i];
}
