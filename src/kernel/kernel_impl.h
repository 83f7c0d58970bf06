/* The implementations of each kind of product.
 *
 * Own code is written once with vectors of the compiler (vector.h) and compiled once per instruction set:
 * CMakeLists.txt builds the same files with other flags, and COMITY_ISA(name) becomes name_base, name_avx2 or
 * name_avx512. Such a file has no other symbols that are not static, and includes no function that is not
 * `static inline`, so that code for one instruction set never runs on a processor without it. */
#ifndef COMITY_KERNEL_IMPL_H
#define COMITY_KERNEL_IMPL_H

#include <comity/kernel.h>

/* All that this build has, the largest instruction set first. */
extern const comity_dense_kernel *const comity_dense_kernels[];
extern const size_t comity_dense_kernel_count;

extern const comity_dense_kernel comity_dense_openblas, comity_dense_native_base, comity_dense_native_avx2,
    comity_dense_native_avx512, comity_dense_onednn;

extern const comity_conv_kernel *const comity_conv_kernels[];
extern const size_t comity_conv_kernel_count;

extern const comity_conv_kernel comity_conv_openblas, comity_conv_winograd_base, comity_conv_winograd_avx2,
    comity_conv_winograd_avx512, comity_conv_direct_base, comity_conv_direct_avx2, comity_conv_direct_avx512;

extern const comity_passes comity_passes_base, comity_passes_avx2, comity_passes_avx512;

extern const comity_elementwise comity_elementwise_base, comity_elementwise_avx2, comity_elementwise_avx512;

extern const comity_pool_kernel *const comity_pool_kernels[];
extern const size_t comity_pool_kernel_count;

extern const comity_pool_kernel comity_pool_native_base, comity_pool_native_avx2, comity_pool_native_avx512;

/* A dense layer's bias_sink = keep bias_sink + scale (sums of dy's columns), for kernels that are products
 * alone. */
void comity_dense_bias(const comity_dense_shape *shape, const float *dy, float keep, float scale,
                       float *bias_sink);

#endif
