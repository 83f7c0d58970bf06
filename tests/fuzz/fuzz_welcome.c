/* Any bytes as what a server sends to a newcomer: what is taken for a welcome is one, and packs into the same bytes. */
#include "fuzz_dataset.h"

#include "round/round_impl.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  comity_welcome welcome;
  comity_message again = {0};
  if (comity_welcome_read(bytes, count, &welcome) != COMITY_OK) {
    fuzz_must(comity_error_message()[0] != '\0', "a failure without a message");
    return 0;
  }
  fuzz_must(comity_welcome_pack(&welcome, &again) == COMITY_OK, "cannot be packed");
  fuzz_must(again.length == count && memcmp(again.bytes, bytes, count) == 0, "packs into other bytes");
  comity_message_clear(&again);
  comity_welcome_clear(&welcome);
  return 0;
}
