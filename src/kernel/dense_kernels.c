/* The list of dense kernels, and the choice among them. */
#include "kernel_impl.h"

#include <string.h>

const comity_dense_kernel *const comity_dense_kernels[] = {
#if defined(COMITY_X86)
    &comity_dense_native_avx512,
    &comity_dense_native_avx2,
#endif
    &comity_dense_native_base,
    &comity_dense_openblas,
};
const size_t comity_dense_kernel_count = sizeof comity_dense_kernels / sizeof comity_dense_kernels[0];

/* The first of this name that this processor can run and that fits; NULL if there is none. */
static const comity_dense_kernel *named(const char *name, const comity_dense_shape *shape) {
  comity_isa best = comity_isa_best();
  for (size_t i = 0; i < comity_dense_kernel_count; i++) {
    const comity_dense_kernel *kernel = comity_dense_kernels[i];
    if (kernel->isa <= best && strcmp(kernel->name, name) == 0 &&
        (kernel->fits == NULL || kernel->fits(shape)))
      return kernel;
  }
  return NULL;
}

const comity_dense_kernel *comity_dense_choose(const comity_dense_shape *shape, comity_kernels kernels) {
  const comity_dense_kernel *chosen = NULL;
  if (kernels == COMITY_KERNELS_NATIVE)
    chosen = named("native", shape);
  if (kernels == COMITY_KERNELS_ONEDNN)
    chosen = named("onednn", shape);
  return chosen == NULL ? &comity_dense_openblas : chosen;
}

void comity_dense_bias(const comity_dense_shape *shape, const float *dy, float keep, float scale,
                       float *bias_sink) {
  size_t units = shape->units;
  for (size_t j = 0; j < units; j++)
    bias_sink[j] = keep == 0.0F ? 0.0F : keep * bias_sink[j];
  for (size_t i = 0; i < shape->rows; i++)
    for (size_t j = 0; j < units; j++)
      bias_sink[j] += scale * dy[i * units + j];
}
