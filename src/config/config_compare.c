/* Two jobs side by side: which settings make their results differ. */
#include "config_impl.h"

#include <stdlib.h>
#include <string.h>

comity_status comity_config_compare(const comity_config *ours, const comity_config *theirs,
                                    char **difference) {
  size_t count, length = 0;
  const comity_setting *settings = comity_setting_list(&count);
  char *text = NULL;
  comity_status status = COMITY_OK;
  FILE *out = open_memstream(&text, &length);
  if (out == NULL)
    return comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot compare two jobs");
  bool first = true;
  for (size_t i = 0; i < count && status == COMITY_OK; i++) {
    const comity_config_value *one = comity_config_value_at(ours, i);
    const comity_config_value *other = comity_config_value_at(theirs, i);
    if (settings[i].may_change || comity_config_value_equal(&settings[i], one, other))
      continue;
    char *here = comity_config_value_show(&settings[i], one);
    char *there = comity_config_value_show(&settings[i], other);
    if (here == NULL || there == NULL)
      status = COMITY_ERR_MEMORY;
    else
      fprintf(out, "%s%s: '%s' here, '%s' there", first ? "" : "; ", settings[i].key, here, there);
    first = false;
    comity_free(here);
    comity_free(there);
  }
  if (fclose(out) != 0 && status == COMITY_OK)
    status = comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot compare two jobs");
  char *copy = NULL;
  if (status == COMITY_OK && (copy = comity_text("%s", text)) == NULL)
    status = COMITY_ERR_MEMORY;
  free(text);
  if (status == COMITY_OK)
    *difference = copy;
  return status;
}
