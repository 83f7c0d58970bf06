/* Any bytes as what ranks report of a round: who was trained and who is absent, and what they evaluated. The first bytes say how
 * large the cohort is, what is expected, and where one rank's report ends. */
#include "fuzz_dataset.h"

#include "round/evaluation_impl.h"
#include "silent_comm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { EXAMPLES = 6, CLIENTS = 4 };

static void merge_training(const comity_gathered *gathered, size_t members) {
  comity_report all = {0};
  uint32_t cohort[UINT8_MAX];
  int rank, dealt[UINT8_MAX];
  for (int i = 0; i < UINT8_MAX; i++) {
    cohort[i] = 2 * (uint32_t)i;
    dealt[i] = i % 3 - 1;
  }
  if (comity_report_merge(gathered, &(comity_dealt){cohort, dealt}, members, &all, &rank) != COMITY_OK)
    fuzz_must(comity_error_message()[0] != '\0' && rank < 2, "a failure without a message, or of nobody");
  else
    fuzz_must(all.absences <= members, "more are absent than there are");
  for (size_t i = 0; i < all.absences; i++)
    fuzz_must(strlen(all.absent[i].name) < sizeof all.absent[i].name &&
                  strlen(all.absent[i].reason) < sizeof all.absent[i].reason,
              "a text without an end");
  comity_report_clear(&all);
}

/* A model with one output, whose scores make an AUC. */
static const comity_model *model(void) {
  static comity_model *made;
  comity_config *config = NULL;
  comity_model_spec spec;
  static const char job[] = "model: {preset: logistic}\n";
  if (made != NULL)
    return made;
  const comity_dataset_info info = {.shape_rank = 1, .shape = {2}, .width = 2, .classes = 2, .targets = 1};
  fuzz_must(comity_config_new(&config) == COMITY_OK &&
                comity_config_parse(config, "job", job, sizeof job - 1) == COMITY_OK &&
                comity_model_spec_read(config, &info, &spec) == COMITY_OK &&
                comity_model_new(&spec, &made) == COMITY_OK,
            "no model");
  comity_config_destroy(&config);
  return made;
}

static void merge_evaluation(const comity_gathered *gathered, uint8_t how) {
  float score[1] = {0};
  silent_comm comm;
  bool both[] = {true,
                 true}; /* half of the examples is for the server, the rest and all clients for the other */
  comity_federation federation = {.shared = true,
                                  .clients = CLIENTS,
                                  .hosts = {.slots = 1, .present = 1, .here = both},
                                  .central = {.found = (how & 1) != 0, .examples = EXAMPLES, .reads = both}};
  comity_evaluation evaluation = {.model = model(),
                                  .comm = silent_comm_open(&comm, 2, 0),
                                  .federation = &federation,
                                  .block = EXAMPLES / 2,
                                  .did_central = (how & 1) != 0,
                                  .did_clients = (how & 2) != 0,
                                  .score = (how & 4) != 0 ? score : NULL};
  comity_record record = {0};
  comity_parts parts[2] = {comity_message_of(gathered, 0), comity_message_of(gathered, 1)};
  if (comity_evaluation_merge(&evaluation, parts, 2, &record) != COMITY_OK)
    fuzz_must(comity_error_message()[0] != '\0', "a failure without a message");
  for (size_t i = 1; i < record.score_count; i++)
    fuzz_must(record.score[i - 1].client < record.score[i].client, "clients out of order");
  comity_free(evaluation.all);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  if (count < 4)
    return 0;
  size_t length = count - 4, cut = bytes[2] | (size_t)bytes[3] << 8;
  size_t offset[] = {0, cut < length ? cut : length, length};
  uint8_t *copy = malloc(length + 1);
  fuzz_must(copy != NULL, "no memory");
  memcpy(copy, bytes + 4, length);
  comity_gathered gathered = {.count = 2, .offset = offset, .bytes = copy};
  merge_training(&gathered, bytes[0]);
  merge_evaluation(&gathered, bytes[1]);
  free(copy);
  return 0;
}
