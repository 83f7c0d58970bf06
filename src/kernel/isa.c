/* Which instruction sets there are. */
#include "kernel_impl.h"

comity_isa comity_isa_best(void) {
#if defined(COMITY_X86)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
    return COMITY_ISA_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return COMITY_ISA_AVX2;
#endif
  return COMITY_ISA_BASE;
}

const char *comity_isa_name(comity_isa isa) {
  static const char *const names[] = {"base", "avx2", "avx512"};
  return names[isa];
}
