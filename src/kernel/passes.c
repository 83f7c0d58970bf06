/* The choice among the builds of passes and elementwise work: the largest instruction set. */
#include "kernel_impl.h"

static const comity_passes *const passes[] = {
    [COMITY_ISA_BASE] = &comity_passes_base,
#if defined(COMITY_X86)
    [COMITY_ISA_AVX2] = &comity_passes_avx2,
    [COMITY_ISA_AVX512] = &comity_passes_avx512,
#endif
};

const comity_passes *comity_passes_of(comity_isa isa) { return isa > comity_isa_best() ? NULL : passes[isa]; }

const comity_passes *comity_passes_best(void) { return passes[comity_isa_best()]; }

static const comity_elementwise *const elementwise[] = {
    [COMITY_ISA_BASE] = &comity_elementwise_base,
#if defined(COMITY_X86)
    [COMITY_ISA_AVX2] = &comity_elementwise_avx2,
    [COMITY_ISA_AVX512] = &comity_elementwise_avx512,
#endif
};

const comity_elementwise *comity_elementwise_of(comity_isa isa) {
  return isa > comity_isa_best() ? NULL : elementwise[isa];
}

const comity_elementwise *comity_elementwise_best(void) { return elementwise[comity_isa_best()]; }
