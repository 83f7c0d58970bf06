/* Whether all ranks compute with the same kernels. On other processors or builds a client's update has other last
 * bits, so that the model would depend on who trains whom: worth a warning, but no reason not to run. */
#include "run_impl.h"

#include <string.h>

/* What a rank says of itself. */
typedef struct kernels_notice {
  uint64_t fingerprint;
  char text[COMITY_KERNELS_TEXT];
} kernels_notice;

comity_status comity_run_tell_kernels(const comity_gathered *gathered, char **text) {
  enum { NAMED = 8 };
  kernels_notice first, other;
  size_t differ = 0;
  char *said = NULL;
  for (size_t rank = 0; rank < gathered->count; rank++) {
    size_t bytes = gathered->offset[rank + 1] - gathered->offset[rank];
    if (bytes == 0 && rank > 0)
      continue; /* it is absent */
    if (bytes != sizeof first) {
      comity_free(said);
      return comity_fail(COMITY_ERR_INTERNAL, "kernels: a notice of the wrong length");
    }
    memcpy(rank == 0 ? &first : &other, gathered->bytes + gathered->offset[rank], sizeof first);
    if (rank == 0 || other.fingerprint == first.fingerprint || ++differ > NAMED)
      continue;
    char *more = comity_text("%s%srank %zu has %.*s", said == NULL ? "" : said, said == NULL ? "" : "; ",
                             rank, COMITY_KERNELS_TEXT - 1, other.text);
    comity_free(said);
    if (more == NULL)
      return COMITY_ERR_MEMORY;
    said = more;
  }
  *text = NULL;
  if (differ == 0)
    return COMITY_OK;
  *text = comity_text(
      "%zu of %zu ranks compute with other kernels than rank 0, which has %.*s, so the last bits "
      "of the model depend on which rank trains whom: %s%s",
      differ, gathered->count, COMITY_KERNELS_TEXT - 1, first.text, said, differ > NAMED ? "; ..." : "");
  comity_free(said);
  return *text == NULL ? COMITY_ERR_MEMORY : COMITY_OK;
}

comity_status comity_run_compare_kernels(comity_run_state *run) {
  kernels_notice notice = {.fingerprint = comity_kernels_fingerprint()};
  comity_kernels_text(notice.text);
  comity_gathered gathered = {0};
  COMITY_TRY(comity_comm_gather(run->comm, &notice, sizeof notice, &gathered));
  char *text = NULL;
  comity_status status = COMITY_OK;
  if (comity_comm_is_server(run->comm))
    status = comity_run_tell_kernels(&gathered, &text);
  if (text != NULL)
    comity_log(run->logger, COMITY_LOG_WARN, "%s", text);
  comity_free(text);
  comity_gathered_clear(&gathered);
  return comity_comm_agree(run->comm, status);
}
