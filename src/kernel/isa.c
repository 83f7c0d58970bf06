/* Which instruction sets there are. */
#include "kernel_impl.h"

static comity_isa of_processor(void) {
#if defined(COMITY_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
    return COMITY_ISA_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return COMITY_ISA_AVX2;
#endif
  return COMITY_ISA_BASE;
}

/* The build may ask for less, so that tests run what other processors do. */
comity_isa comity_isa_best(void) {
  comity_isa has = of_processor();
  return has < COMITY_ISA_MOST ? has : COMITY_ISA_MOST;
}

const char *comity_isa_name(comity_isa isa) {
  static const char *const names[] = {"base", "avx2", "avx512"};
  return names[isa];
}
