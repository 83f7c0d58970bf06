/* Any bytes as what members tell the server: refused, or entries whose data come out where they belong. The first byte says who
 * there is, and whether the last of them are reached by the server alone. */
#include "fuzz_dataset.h"
#include "silent_comm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  silent_comm silent;
  comity_bundle all = {0};
  comity_gathered gathered = {0};
  if (count < 2)
    return 0;
  int size = 2 + bytes[0] % (SILENT_MOST - 1), apart = bytes[0] >> 4 & 3;
  comity_members *members = &silent_comm_open(&silent, size, apart < size ? apart : 0)->members;
  members->present[1] = size < 3 || bytes[1] % 2 == 0;
  comity_members_order(members);
  size_t length = count - 2;
  if (!comity_bundle_is_sound(members, 1, members->count, bytes + 2, length))
    return 0;
  fuzz_must(comity_bundle_begin(members, COMITY_OK, "me", 2, length, &all) == COMITY_OK, "cannot begin");
  memcpy(all.bytes + all.length, bytes + 2, length);
  all.length += length;
  comity_status worst = comity_bundle_unpack(members, &all, &gathered);
  fuzz_must(worst == COMITY_OK || comity_error_message()[0] != '\0', "a failure without a message");
  fuzz_must(gathered.count == (size_t)size && gathered.offset[0] == 0 && gathered.offset[1] == 2 &&
                memcmp(gathered.bytes, "me", 2) == 0,
            "an own entry that was lost");
  size_t sum = 0;
  for (int rank = 0; rank < size; rank++) {
    fuzz_must(gathered.offset[rank] <= gathered.offset[rank + 1], "entries that overlap");
    fuzz_must(members->present[rank] || gathered.offset[rank] == gathered.offset[rank + 1],
              "data of somebody who is absent");
    for (size_t at = gathered.offset[rank]; at < gathered.offset[rank + 1]; at++)
      sum += gathered.bytes[at];
  }
  fuzz_must(gathered.offset[size] <= count + 2 && sum <= 255 * (count + 2), "more data than came");
  comity_gathered_clear(&gathered);
  comity_free(all.bytes);
  return 0;
}
