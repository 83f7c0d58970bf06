/* clients.csv: how each client fared when the clients were last evaluated. */
#include "metrics_impl.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 6 };

static size_t write_row(const comity_history *history, size_t row, char *text) {
  size_t used = 0;
  for (size_t k = 0; k < COLUMNS; k++) {
    char number[COMITY_NUMBER_BYTES] = "";
    double value = comity_score_at(history, row, k);
    if (!isnan(value))
      comity_number_text(value, number);
    used += (size_t)sprintf(text + used, "%s%s", number, k + 1 < COLUMNS ? "," : "\n");
  }
  return used;
}

comity_status comity_clients_write(const char *path, const comity_history *history) {
  char *text;
  COMITY_TRY(COMITY_NEW(text, 64 + history->score_count * COLUMNS * (COMITY_NUMBER_BYTES + 1)));
  size_t used = 0;
  for (size_t k = 0; k < COLUMNS; k++)
    used += (size_t)sprintf(text + used, "%s%s", comity_score_name(k), k + 1 < COLUMNS ? "," : "\n");
  for (size_t i = 0; i < history->score_count; i++)
    used += write_row(history, i, text + used);
  comity_status status = comity_file_write(path, text, used);
  comity_free(text);
  return status;
}
