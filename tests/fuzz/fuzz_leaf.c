/* Any bytes as LEAF's JSON; bytes behind the first NUL are the test file. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  const uint8_t *nul = count > 0 ? memchr(bytes, 0, count) : NULL;
  size_t length = nul == NULL ? count : (size_t)(nul - bytes);
  fuzz_file train = fuzz_file_open(bytes, length);
  fuzz_file test = fuzz_file_open(nul == NULL ? bytes : nul + 1, nul == NULL ? 0 : count - length - 1);
  const char *paths[] = {train.path};
  fuzz_check_import(comity_import_leaf(paths, 1, nul == NULL ? NULL : test.path, fuzz_out()));
  close(train.descriptor);
  close(test.descriptor);
  return 0;
}
