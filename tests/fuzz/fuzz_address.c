/* Any bytes as the file that tells silos where their server is: refused by its name, or an address that is written and read again
 * as the same. */
#include "fuzz_dataset.h"

#include <comity/round.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  comity_address address, again;
  fuzz_file file = fuzz_file_open(bytes, count);
  comity_status status = comity_address_read(file.path, &address);
  close(file.descriptor);
  if (status != COMITY_OK) {
    fuzz_must(status == COMITY_ERR_DATA || status == COMITY_ERR_CONFIG, "an unexpected status");
    fuzz_must(strncmp(comity_error_message(), file.path, strlen(file.path)) == 0,
              "a failure without a place");
    return 0;
  }
  fuzz_must(strlen(address.job) < sizeof address.job && strlen(address.door) < sizeof address.door &&
                strlen(address.rendezvous) < sizeof address.rendezvous,
            "a part without an end");
  fuzz_must(comity_address_write(fuzz_out(), &address) == COMITY_OK, "cannot be written");
  fuzz_must(comity_address_read(fuzz_out(), &again) == COMITY_OK, "cannot be read again");
  fuzz_must(strcmp(address.job, again.job) == 0 && strcmp(address.door, again.door) == 0 &&
                strcmp(address.rendezvous, again.rendezvous) == 0 && address.done == again.done &&
                comity_public_key_equal(&address.server, &again.server),
            "an address that changed when it was read again");
  unlink(fuzz_out());
  return 0;
}
