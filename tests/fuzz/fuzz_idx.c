/* Any bytes as a pair of IDX files: a length byte, that many bytes of labels, then the images. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  if (count == 0)
    return 0;
  size_t length = bytes[0] < count - 1 ? bytes[0] : count - 1;
  fuzz_file labels = fuzz_file_open(bytes + 1, length);
  fuzz_file images = fuzz_file_open(bytes + 1 + length, count - 1 - length);
  bool test = bytes[0] % 2 == 1;
  comity_import_idx_options options = {.images = images.path,
                                       .labels = labels.path,
                                       .test_images = test ? images.path : NULL,
                                       .test_labels = test ? labels.path : NULL};
  fuzz_check_import(comity_import_idx(&options, fuzz_out()));
  close(labels.descriptor);
  close(images.descriptor);
  return 0;
}
