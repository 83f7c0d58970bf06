/* Any bytes as a job: they are refused with a message, or the job can be written and read again as the same
 * job. Bytes behind the first NUL are an override. */
#include <comity/config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void must(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "fuzz_config: %s: %s\n", what, comity_error_message());
    abort();
  }
}

/* A failure says where. */
static void must_name_place(comity_status status, const char *place) {
  must(status == COMITY_ERR_CONFIG || status == COMITY_ERR_USAGE, "an unexpected status");
  must(strncmp(comity_error_message(), place, strlen(place)) == 0, "a message without a place");
}

static void write_and_read_again(const comity_config *config) {
  char *yaml, *again, *difference;
  must(comity_config_write(config, NULL, &yaml) == COMITY_OK, "a job that cannot be written");
  comity_config *copy;
  must(comity_config_new(&copy) == COMITY_OK, "no default job");
  must(comity_config_parse(copy, "resolved", yaml, strlen(yaml)) == COMITY_OK,
       "a job that cannot be read again");
  must(comity_config_compare(config, copy, &difference) == COMITY_OK, "a comparison that failed");
  must(difference[0] == '\0', difference);
  must(comity_config_write(copy, NULL, &again) == COMITY_OK, "a job that cannot be written again");
  must(strcmp(yaml, again) == 0, "a job that changed when it was read again");
  must(comity_config_check(config) == comity_config_check(copy), "a copy that is checked differently");
  comity_config_destroy(&copy);
  comity_free(yaml);
  comity_free(again);
  comity_free(difference);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  const uint8_t *nul = count > 0 ? memchr(bytes, 0, count) : NULL;
  size_t length = nul != NULL ? (size_t)(nul - bytes) : count;
  comity_config *config;
  must(comity_config_new(&config) == COMITY_OK, "no default job");
  comity_status status = comity_config_parse(config, "job.yaml", (const char *)bytes, length);
  if (status != COMITY_OK)
    must_name_place(status, "job.yaml:");
  if (nul != NULL) {
    char *assignment = comity_text("%.*s", (int)(count - length - 1), (const char *)nul + 1);
    must(assignment != NULL, "no memory");
    comity_status overridden = comity_config_override(config, assignment);
    if (overridden != COMITY_OK)
      must_name_place(overridden, "command line: ");
    comity_free(assignment);
  }
  write_and_read_again(config);
  comity_config_destroy(&config);
  return 0;
}
