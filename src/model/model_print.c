/* A model as a table for people. */
#include "model_impl.h"

#include <string.h>

/* 1663370 as "1,663,370". */
static const char *grouped(size_t number, char text[32]) {
  char digits[32];
  int length = snprintf(digits, sizeof digits, "%zu", number);
  char *out = text;
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0)
      *out++ = ',';
    *out++ = digits[i];
  }
  *out = '\0';
  return text;
}

/* The layer that is number `number` in the job; the compiler may have moved its step. */
static const comity_step *step_of(const comity_model *model, size_t number) {
  const comity_step *step = model->step;
  while (step->number != number)
    step++;
  return step;
}

void comity_model_print(const comity_model *model, FILE *file) {
  static const char row[] = "%-16s %-10s %-16s %14s\n";
  char shape[96], number[32];
  comity_shape in = {.rank = model->spec.shape_rank};
  memcpy(in.size, model->spec.shape, sizeof in.size);
  fprintf(file, row, "layer", "type", "output", "parameters");
  fprintf(file, row, "input", "", comity_shape_text(&in, shape), "");
  for (size_t i = 0; i < model->spec.count; i++) {
    const comity_step *step = step_of(model, i);
    size_t own = step->weight.rank == 0 ? 0 : comity_shape_width(&step->weight) + step->weight.size[0];
    if (step->layer->plan != comity_shape_keep)
      in = step->out;
    fprintf(file, row, step->spec.name, step->spec.kind, comity_shape_text(&in, shape),
            own == 0 ? "" : grouped(own, number));
  }
  fprintf(file, row, "total", "", "", grouped(model->parameters, number));
  fprintf(file, "loss %s", model->loss->name);
  if (model->spec.classes > 0)
    fprintf(file, " over %zu classes", model->spec.classes);
  if (model->spec.l2 > 0.0)
    fprintf(file, ", l2 %g", model->spec.l2);
  fprintf(file, "\n");
}
