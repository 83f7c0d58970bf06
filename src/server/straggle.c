/* Simulated slow clients: a share of each cohort does only some of its epochs.
 * Source: Li et al. 2020 (FedProx), section 5.2. */
#include <comity/server.h>

void comity_straggle(uint64_t seed, size_t round, double share, size_t count, size_t epochs,
                     size_t *epochs_of) {
  comity_random random;
  comity_random_open(&random, seed, COMITY_RANDOM_STRAGGLER, round, 0, 0);
  size_t slow = (size_t)(share * (double)count + 0.5);
  for (size_t i = 0; i < count; i++) {
    epochs_of[i] = epochs;
    if (slow == 0 || comity_random_below(&random, count - i) >= slow)
      continue;
    slow--;
    epochs_of[i] = epochs > 1 ? 1 + comity_random_below(&random, epochs - 1) : 0;
  }
}
