/* XXH3 of what travels. Short texts are done in line; long ones by the library's own code for the processor that it
 * finds, which is several times faster than what the compiler makes of the header for any x86-64. The result is the
 * same, so hosts of different kinds understand each other. */
#include "comm_impl.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef COMITY_XXH_DISPATCH
/* xxh_x86dispatch.h has it, but cannot be included beside XXH_INLINE_ALL. */
XXH64_hash_t XXH3_64bits_withSeed_dispatch(const void *data, size_t bytes, XXH64_hash_t seed);
enum { LONG = 1024 };
#endif

uint64_t comity_digest(const void *data, size_t bytes, uint64_t seed) {
#ifdef COMITY_XXH_DISPATCH
  if (bytes >= LONG)
    return XXH3_64bits_withSeed_dispatch(data, bytes, seed);
#endif
  return XXH3_64bits_withSeed(data, bytes, seed);
}
