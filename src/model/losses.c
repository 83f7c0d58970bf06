/* The list of all losses. */
#include "model_impl.h"

#include "core/core_impl.h"

const comity_loss *const comity_losses[] = {
    &comity_loss_cross_entropy,
    &comity_loss_binary_cross_entropy,
    &comity_loss_mean_squared_error,
};
enum { LOSSES = sizeof comity_losses / sizeof comity_losses[0] };
const size_t comity_loss_count = LOSSES;

comity_status comity_loss_find(const char *name, const comity_loss **loss) {
  const char *names[LOSSES];
  size_t found;
  for (size_t i = 0; i < LOSSES; i++)
    names[i] = comity_losses[i]->name;
  COMITY_TRY(comity_word_find(NULL, "loss", name, names, LOSSES, &found));
  *loss = comity_losses[found];
  return COMITY_OK;
}
