/* metrics.csv: the scalars, for spreadsheets and shell tools. */
#include "metrics_impl.h"

#include <math.h>
#include <stdlib.h>

void comity_number_text(double value, char text[COMITY_NUMBER_BYTES]) {
  static const int precision[] = {6, 9, 15, 16, 17};
  if (fabs(value) < 1e15 && value == floor(value)) { /* counts without an exponent */
    snprintf(text, COMITY_NUMBER_BYTES, "%.0f", value);
    return;
  }
  for (size_t i = 0; i < sizeof precision / sizeof *precision; i++) {
    snprintf(text, COMITY_NUMBER_BYTES, "%.*g", precision[i], value);
    if (strtod(text, NULL) == value || isnan(value))
      return;
  }
}

char *comity_csv_header(void) {
  return comity_text("%s",
#define NAME(id, name, value, outer, inner) "," name
                     &(COMITY_CURVE_LIST(NAME) "\n")[1]
#undef NAME
  );
}

char *comity_csv_line(const double value[COMITY_CURVE_COUNT]) {
  char line[COMITY_CURVE_COUNT * (COMITY_NUMBER_BYTES + 1) + 1], number[COMITY_NUMBER_BYTES];
  size_t used = 0;
  for (size_t i = 0; i < COMITY_CURVE_COUNT; i++) {
    comity_number_text(value[i], number);
    used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i == 0 ? "" : ",",
                             isnan(value[i]) ? "" : number);
  }
  return comity_text("%s\n", line);
}
