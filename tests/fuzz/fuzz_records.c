/* Any bytes as metrics.jsonl and as events.jsonl of a run that is looked at and gone on with. */
#include "fuzz_dataset.h"

#include "metrics/metrics_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  fuzz_file file = fuzz_file_open(bytes, count);
  comity_history history = {.ranks = 2};
  char *text = NULL;
  size_t kept = 0;
  comity_status status = comity_jsonl_read(file.path, count > 0 ? bytes[0] : 1, &history, &text, &kept);
  if (status == COMITY_OK)
    fuzz_must(kept <= count, "more was kept than there is");
  else
    fuzz_must(comity_error_message()[0] != '\0', "a failure without a message");
  uint64_t taken = 0;
  if (comity_events_read(file.path, &history.events, &taken) == COMITY_OK)
    fuzz_must(taken <= count, "more of the events was kept than there is");
  else
    fuzz_must(comity_error_message()[0] != '\0', "a failure without a message");
  FILE *nowhere = fopen("/dev/null", "we");
  if (nowhere != NULL) {
    comity_events_print(&history.events, nowhere);
    fclose(nowhere);
  }
  comity_free(text);
  comity_history_clear(&history);
  close(file.descriptor);
  return 0;
}
