/* Any bytes as a table: two bytes choose options, and a NUL separates the file from a second one. */
#include "fuzz_dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void choose(comity_import_csv_options *o, unsigned first, unsigned second) {
  static const char *const missing[] = {"drop", "mean", "error", NULL};
  static const char *const labels[] = {NULL, "1", "2", "y"};
  static const char *const positives[] = {NULL, ">0", "1", "a|b"};
  static const char separators[] = {0, ',', ' ', ';'};
  static const char *const categorical[] = {"1", "a=1,2", "2=x,y,1.0"};
  static const char *const drop[] = {"3", "b"};
  o->header = (int)(first % 4 % 3) - 1;
  o->on_missing = missing[first / 4 % 4];
  o->label = labels[first / 16 % 4];
  o->positive = positives[first / 64 % 4];
  o->separator = separators[second % 4];
  o->categorical = categorical + second / 4 % 3;
  o->categorical_count = second / 16 % 2;
  o->drop = drop + second % 2;
  o->drop_count = second / 32 % 2;
  o->drop_first = second / 64 % 2;
  o->client = second / 128 % 2 && first % 2 ? "4" : NULL;
  o->split = second / 128 % 2 && !(first % 2) ? "split" : NULL;
  o->regression = second % 8 == 7;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  if (count < 3)
    return 0;
  comity_import_csv_options options = {0};
  choose(&options, bytes[0], bytes[1]);
  const uint8_t *text = bytes + 2, *nul = memchr(text, 0, count - 2);
  size_t length = nul == NULL ? count - 2 : (size_t)(nul - text);
  fuzz_file file = fuzz_file_open(text, length),
            other = fuzz_file_open(nul == NULL ? text : nul + 1, nul == NULL ? 0 : count - 3 - length);
  const char *paths[] = {file.path, other.path};
  bool test = options.split == NULL && bytes[0] % 2 == 1;
  options.paths = paths;
  options.path_count = nul != NULL && !test ? 2 : 1;
  options.test_paths = paths + 1;
  options.test_count = nul != NULL && test ? 1 : 0;
  fuzz_check_import(comity_import_csv(&options, fuzz_out()));
  close(file.descriptor);
  close(other.descriptor);
  return 0;
}
