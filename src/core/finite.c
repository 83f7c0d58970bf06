/* One number that tells whether all of many are finite and small enough. */
#include "core_impl.h"

#include <string.h>

/* Without their sign, floats order like their bits, infinities and NaN on top: an integer maximum, which
 * becomes vectors where a test with a way out would not. */
float comity_largest(const float *values, size_t count) {
  int32_t most = 0;
  for (size_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    bits &= INT32_MAX;
    most = bits > most ? bits : most;
  }
  float largest;
  memcpy(&largest, &most, sizeof largest);
  return largest;
}
