/* Any lines as a schedule of faults: each is refused with a message that names it, or becomes faults which are written and
 * read again as the same, and which answer without a fault of their own. */
#include <comity/fault.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void must(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "fuzz_faults: %s: %s\n", what, comity_error_message());
    abort();
  }
}

static const comity_fault_scope scopes[] = {{0},
                                            {.seed = 1, .rounds = 10, .clients = 1, .ranks = 1},
                                            {.seed = 2, .rounds = 1000, .clients = 100, .ranks = 5}};

static comity_faults *opened(const comity_fault_scope *scope) {
  comity_faults *faults = NULL;
  must(comity_faults_new(scope, &faults) == COMITY_OK, "no schedule");
  return faults;
}

static void add(comity_faults *faults, const char *entry) {
  size_t before = comity_faults_count(faults);
  if (comity_faults_add(faults, "here", entry) == COMITY_OK)
    return;
  must(strncmp(comity_error_message(), "here: '", 7) == 0, "a message without a place");
  must(comity_faults_count(faults) == before, "a refused entry that is there");
}

static void ask(const comity_faults *faults) {
  char *drops;
  must(comity_faults_drops(faults, &drops) == COMITY_OK, "no text of drops");
  comity_free(drops);
  for (uint64_t round = 1; round < 12; round += 5)
    for (int rank = 0; rank < 5; rank += 2) {
      (void)comity_faults_absent(faults, round, round, rank);
      (void)comity_faults_corrupts(faults, round, 3, rank, 0, 0);
      must(comity_faults_client_delay(faults, (uint64_t)rank, round) >= 0, "a negative delay");
      for (int stage = 0; stage < COMITY_FAULT_STAGES; stage++) {
        comity_strike strikes[2];
        must(comity_faults_delay(faults, rank, round, (comity_fault_stage)stage) >= 0, "a negative delay");
        (void)comity_faults_strikes(faults, rank, round, (comity_fault_stage)stage, strikes, 2);
      }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  char *text = comity_text("%.*s", (int)count, (const char *)bytes);
  must(text != NULL, "no memory");
  for (size_t s = 0; s < sizeof scopes / sizeof *scopes; s++) {
    comity_faults *faults = opened(&scopes[s]), *again = opened(&scopes[s]);
    char *copy = comity_text("%s", text), *rest = NULL;
    double many;
    must(copy != NULL, "no memory");
    for (char *entry = strtok_r(copy, "\n", &rest); entry != NULL; entry = strtok_r(NULL, "\n", &rest))
      if (sscanf(entry, " random %lf", &many) != 1 || many < 100) /* thousands of faults only take time */
        add(faults, entry);
    for (size_t i = 0; i < comity_faults_count(faults); i++) {
      must(comity_faults_add(again, NULL, comity_faults_text(faults, i)) == COMITY_OK,
           "a text that is no entry");
      must(comity_faults_count(again) == i + 1, "a text of several faults");
      must(strcmp(comity_faults_text(again, i), comity_faults_text(faults, i)) == 0, "a fault that changed");
    }
    ask(faults);
    comity_free(copy);
    comity_faults_destroy(&faults);
    comity_faults_destroy(&again);
  }
  comity_free(text);
  return 0;
}
