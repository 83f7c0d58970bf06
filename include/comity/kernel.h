/** \file kernel.h
 *  Passes over all parameters, and who computes the products of layers: OpenBLAS, Comity's own vector code, or
 * oneDNN. A kind of product is a table of functions with several implementations; which one computes a product
 * follows from its shape, the processor and the build, never from rank, time or measurement, so the same job
 * gives the same bits on equal machines. `model.kernels` forces one. Not collective; knows nothing of MPI.
 */
#ifndef COMITY_KERNEL_H
#define COMITY_KERNEL_H

#include <comity/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Instruction sets that own code is compiled for; a processor that has one has those before it. */
typedef enum comity_isa { COMITY_ISA_BASE, COMITY_ISA_AVX2, COMITY_ISA_AVX512 } comity_isa;
/** The largest that this build and this processor have. */
COMITY_API comity_isa comity_isa_best(void);
/** "base", "avx2" or "avx512". */
COMITY_API const char *comity_isa_name(comity_isa isa);

/** The values of model.kernels. A variant that does not fit a product leaves it to OpenBLAS. */
typedef enum comity_kernels {
  COMITY_KERNELS_AUTO, /* for each product the fastest, as measured when Comity was made */
  COMITY_KERNELS_OPENBLAS,
  COMITY_KERNELS_NATIVE, /* Comity's own, with the largest instruction set there is */
  COMITY_KERNELS_ONEDNN
} comity_kernels;
/** From the word in the job file.
 *  \return COMITY_OK, COMITY_ERR_CONFIG (unknown, or not in this build) */
COMITY_API COMITY_MUST_CHECK comity_status comity_kernels_read(const char *name, comity_kernels *kernels);

enum { COMITY_KERNELS_TEXT = 192 };
/** For people: "native avx512 by gcc 12.2.0, OpenBLAS 0.3.21 SkylakeX". Everything that decides about bits
 * stands in it: compilers choose which multiplications and additions of own code become one instruction.
 *  \return text, for use inside a call */
COMITY_API const char *comity_kernels_text(char text[COMITY_KERNELS_TEXT]);
/** Equal on two ranks exactly if their kernels compute the same bits: a hash of the text and the rules of
 * choice. */
COMITY_API uint64_t comity_kernels_fingerprint(void);

/* ------------------------------------------------------------------------------------------------- passes */

/** How a gradient becomes a step. */
typedef struct comity_sgd {
  float rate, momentum;
  float factor; /* on the gradient, from clipping; 1 = none */
  float decay;  /* of weights */
  bool nesterov;
} comity_sgd;

/** Passes over all parameters, the same bits with every instruction set. Arrays do not overlap. */
typedef struct comity_passes {
  comity_isa isa;
  /** The largest magnitude; infinite or NaN when one of the values is, 0 when there are none. */
  float (*largest)(const float *values, size_t count);
  /** words += round(scale * value), to nearest, ties to even, modulo 2^64; no |scale * value| is above 2^62.
   *  \param[in] bound  no |value| is above it; infinite when nothing is known. A close one saves time */
  void (*fold)(const float *values, size_t count, double scale, float bound, uint64_t *words);
  /** values = scale * words, which are signed, in double and then rounded to float. */
  void (*unfold)(const uint64_t *words, size_t count, double scale, float *values);
  /** sums = sums + factor * values, in double and then rounded to float. */
  void (*add)(const float *values, size_t count, double factor, float *sums);
  /** The sum of squares in double, in 32 interleaved parts. */
  double (*squares)(const float *values, size_t count);
  /** g = factor gradient + decay model; velocity = momentum velocity + g; model -= rate velocity, or
   * rate (g + momentum velocity) with Nesterov's momentum, or rate g when velocity is NULL. */
  void (*sgd)(const comity_sgd *sgd, size_t count, const float *gradient, float *velocity, float *model);
} comity_passes;

/** The fastest that this processor can run. */
COMITY_API const comity_passes *comity_passes_best(void);
/** Those of one instruction set; NULL when this build or processor lacks it. For tests. */
COMITY_API const comity_passes *comity_passes_of(comity_isa isa);

/* -------------------------------------------------------------------------------------------------- dense */

/** One use of a dense layer: x (rows, width), weights (units, width), y (rows, units), all row-major and none
 * empty. */
typedef struct comity_dense_shape {
  size_t rows, width, units;
} comity_dense_shape;

/** The products of a dense layer. None allocates unless it says so; pointers need only the alignment of a
 * float; NaN and infinities pass as arithmetic passes them. */
typedef struct comity_dense_kernel {
  const char *name; /* as in model.kernels */
  comity_isa isa;   /* what it needs */
  /** OPTIONAL (default: any). */
  bool (*fits)(const comity_dense_shape *shape);
  /** REQUIRED. y = x W^T + bias */
  void (*forward)(const comity_dense_shape *shape, const float *x, const float *weight, const float *bias,
                  float *y);
  /** REQUIRED. dx (rows, width) = dy W */
  void (*data)(const comity_dense_shape *shape, const float *dy, const float *weight, float *dx);
  /** REQUIRED. weight_sink = keep weight_sink + scale dy^T x, and bias_sink (units) likewise with the sums of
   * dy's columns. With keep 0 the sinks are only written. */
  void (*update)(const comity_dense_shape *shape, const float *dy, const float *x, float keep, float scale,
                 float *weight_sink, float *bias_sink);
} comity_dense_kernel;

/** The kernel for this product. */
COMITY_API const comity_dense_kernel *comity_dense_choose(const comity_dense_shape *shape,
                                                          comity_kernels kernels);

/* --------------------------------------------------------------------------------------------- convolution */

/** A convolution layer: images x (channels, height, width), weights (filters, channels, kernel[0], kernel[1]),
 * y (filters, rows, columns), with rows = (height + 2 padding[0] - kernel[0]) / stride[0] + 1 and padding less
 * than the kernel; [0] is down, [1] across. */
typedef struct comity_conv_shape {
  size_t channels, height, width;
  size_t filters, rows, columns;
  size_t kernel[2], stride[2], padding[2];
} comity_conv_shape;

/** A convolution in both directions over `count` images that lie one after the other. None allocates unless it
 * says so; what an image gives does not depend on the others. `scratch` must be aligned to 64 bytes, all other
 * pointers need only the alignment of a float. NaN and infinities reach at least the numbers that arithmetic
 * lets them reach (as NaN where arithmetic has an infinity, perhaps). */
typedef struct comity_conv_kernel {
  const char *name;   /* as in model.kernels */
  const char *method; /* for people: im2col, winograd, direct */
  comity_isa isa;     /* what it needs */
  /** OPTIONAL (default: any). */
  bool (*fits)(const comity_conv_shape *shape);
  /** REQUIRED. Floats of scratch memory that one call needs, whatever the number of images. */
  size_t (*scratch)(const comity_conv_shape *shape);
  /** REQUIRED. y = x * weight + bias, a cross-correlation. */
  void (*forward)(const comity_conv_shape *shape, size_t count, const float *x, const float *weight,
                  const float *bias, float *y, float *scratch);
  /** REQUIRED. dx = what dy gives to x, unless dx is NULL; then weight_sink = keep weight_sink + scale (what
   * dy gives to the weights), summed over all images, and bias_sink likewise. With keep 0 the sinks are only
   * written; they may be the weights themselves. */
  void (*backward)(const comity_conv_shape *shape, size_t count, const float *x, const float *dy,
                   const float *weight, float *dx, float keep, float scale, float *weight_sink,
                   float *bias_sink, float *scratch);
} comity_conv_kernel;

/** The kernel for this layer. */
COMITY_API const comity_conv_kernel *comity_conv_choose(const comity_conv_shape *shape,
                                                        comity_kernels kernels);

/* -------------------------------------------------------------------------------------------- elementwise */

/** What is done to each number by itself or to sums over few of them. Not affected by model.kernels. */
typedef struct comity_elementwise {
  comity_isa isa;
  /** to[i] = (float)(from[i] * scale), computed in double. */
  void (*from_bytes)(const uint8_t *from, size_t count, double scale, float *to);
  /** y = max(x, 0), 0 for -0, NaN passing; y may be x. */
  void (*relu)(const float *x, size_t count, float *y);
  /** dy = 0 where y, the output of relu, is not above 0. */
  void (*relu_back)(const float *y, size_t count, float *dy);
  /** Softmax cross-entropy of z (count, width) with labels y (count).
   *  \param[out] dz  (count, width) d (mean loss) / d z
   *  \return the sum of losses; NaN if a label is none of 0 ... width-1 */
  double (*cross_entropy)(const float *z, const float *y, size_t count, size_t width, float *dz);
} comity_elementwise;

/** The fastest that this processor can run. */
COMITY_API const comity_elementwise *comity_elementwise_best(void);
/** That of one instruction set; NULL when this build or processor lacks it. For tests. */
COMITY_API const comity_elementwise *comity_elementwise_of(comity_isa isa);

/* -------------------------------------------------------------------------------------------------- pools */

/** The largest of each 2x2 pixels of `planes` images (height, width) of one channel; a last odd row or column
 * has no part. Nothing is rounded, so all instruction sets give the same bits. */
typedef struct comity_pool_kernel {
  comity_isa isa; /* what it needs */
  /** REQUIRED. y (planes, height / 2, width / 2); place (the same) gets which of the pixels it was, in reading
   * order, the first of equals; NULL = not wanted. Nothing is larger than a NaN, and NaN not than anything. */
  void (*forward)(size_t planes, size_t height, size_t width, const float *x, float *y, uint8_t *place);
  /** REQUIRED. dx (planes, height, width): dy where the largest was, 0 elsewhere. */
  void (*backward)(size_t planes, size_t height, size_t width, const float *dy, const uint8_t *place,
                   float *dx);
} comity_pool_kernel;

/** The one for this processor. */
COMITY_API const comity_pool_kernel *comity_pool_choose(void);

#ifdef __cplusplus
}
#endif
#endif
