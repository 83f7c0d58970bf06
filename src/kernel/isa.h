/* In which of its builds a file is: COMITY_ISA_SUFFIX is base, avx2 or avx512. */
#ifndef COMITY_ISA_H
#define COMITY_ISA_H

#include "kernel_impl.h"

#define COMITY_JOIN_(name, suffix) name##_##suffix
#define COMITY_JOIN(name, suffix) COMITY_JOIN_(name, suffix)
#define COMITY_ISA(name) COMITY_JOIN(name, COMITY_ISA_SUFFIX)

#if defined(__AVX512F__)
#define COMITY_ISA_THIS COMITY_ISA_AVX512
#elif defined(__AVX2__)
#define COMITY_ISA_THIS COMITY_ISA_AVX2
#else
#define COMITY_ISA_THIS COMITY_ISA_BASE
#endif

#endif
