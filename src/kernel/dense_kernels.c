/* The list of dense kernels, and the choice among them. */
#include "kernel_impl.h"

const comity_dense_kernel *const comity_dense_kernels[] = {
#if defined(COMITY_X86)
    &comity_dense_native_avx512, &comity_dense_native_avx2,
#endif
    &comity_dense_native_base,   &comity_dense_openblas,
#if defined(COMITY_ONEDNN)
    &comity_dense_onednn,
#endif
};
const size_t comity_dense_kernel_count = sizeof comity_dense_kernels / sizeof comity_dense_kernels[0];

static const comity_dense_kernel *native(void) {
#if defined(COMITY_X86)
  comity_isa best = comity_isa_best();
  if (best > COMITY_ISA_BASE)
    return best == COMITY_ISA_AVX512 ? &comity_dense_native_avx512 : &comity_dense_native_avx2;
#endif
  return &comity_dense_native_base;
}

/* Measured on one core of a Xeon with AVX-512, and on the same with both kept to AVX2 (GFLOP/s, forward / data /
 * update):
 *   rows x width x units   native            OpenBLAS 0.3.21   native, AVX2      OpenBLAS, AVX2
 *   10 x 784 x 200         158 / 168 / 126   35 / 61 / 115     72 / 98 / 73      37 / 54 / 86
 *   10 x 200 x 10           99 / 134 / 111   92 / 123 / 94     70 / 85 / 77      23 / 55 / 55
 *   10 x 3136 x 512                                            49 / 49 / 68      38 / 41 / 79
 *   50 x 784 x 200         151 / 168 / 175   97 / 122 / 153    85 / 102 / 98     84 / 91 / 107
 *   50 x 3136 x 512         94 / 128 / 128   96 / 91 / 148     57 / 76 / 81      82 / 87 / 104
 *   100 x 784 x 200                                            93 / 98 / 95      100 / 107 / 108
 *   250 x 784 x 200        144 / 143 / 141   127 / 142 / 145   99 / 106 / 92     106 / 108 / 113
 *   250 x 200 x 200        147 / 156 / 131   128 / 142 / 144
 *   250 x 3136 x 512       140 / 134 / 117   142 / 144 / 158
 * Without AVX2 there is OpenBLAS, which knows more such processors than one. */
static bool native_is_faster(const comity_dense_shape *shape) {
  comity_isa isa = comity_isa_best();
  if (isa == COMITY_ISA_BASE)
    return false;
  size_t few = isa == COMITY_ISA_AVX512 ? 128 : 16, some = isa == COMITY_ISA_AVX512 ? 256 : 64; /* rows */
  const size_t cached = 1 << 19; /* floats of weights that the second cache holds */
  return shape->rows <= few || (shape->rows <= some && shape->width * shape->units <= cached);
}

const comity_dense_kernel *comity_dense_choose(const comity_dense_shape *shape, comity_kernels kernels) {
  const comity_dense_kernel *chosen = &comity_dense_openblas;
  if (kernels == COMITY_KERNELS_NATIVE || (kernels == COMITY_KERNELS_AUTO && native_is_faster(shape)))
    chosen = native();
#if defined(COMITY_ONEDNN)
  if (kernels == COMITY_KERNELS_ONEDNN)
    chosen = &comity_dense_onednn;
#endif
  return chosen->fits == NULL || chosen->fits(shape) ? chosen : &comity_dense_openblas;
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
