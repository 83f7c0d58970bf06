/* What the files of this folder share: the list's entries, and the few lines that every paper needs.
 * By convention "model" is the first field down and "update" the first field up, so both start at offset 0.
 */
#ifndef COMITY_ALGORITHM_IMPL_H
#define COMITY_ALGORITHM_IMPL_H

#include <comity/algorithm.h>

extern const comity_algorithm comity_algorithm_fedsgd, comity_algorithm_fedavg, comity_algorithm_fedprox,
    comity_algorithm_scaffold, comity_algorithm_fednova, comity_algorithm_fedavgm,
    comity_algorithm_fedadagrad, comity_algorithm_fedadam, comity_algorithm_fedyogi, comity_algorithm_feddyn;

/* Declare "model" down and "update" up, both of length P; the update is combined as a mean. */
COMITY_MUST_CHECK comity_status comity_protocol_begin(comity_protocol *protocol, size_t parameters);

/* Refuse a combined message with a number that is not finite, naming its field; call before changing
 * anything. */
COMITY_MUST_CHECK comity_status comity_combined_check(const char *algorithm, const comity_layout *up,
                                                      const comity_server_view *server,
                                                      const float *combined);

/* Refuse a global model that a too large server step has driven out of float's range. */
COMITY_MUST_CHECK comity_status comity_stepped_check(const char *algorithm, const float *model,
                                                     size_t parameters);

/* model = model + rate * direction, with that check. */
COMITY_MUST_CHECK comity_status comity_step_along(const char *algorithm, const float *direction,
                                                  size_t parameters, double rate, float *model);

/* ||a||_1 of Wang et al. 2020: how often each gradient counts in model(0) - model(tau) = rate * sum_j a_j
 * g_j, summed over the tau local steps. Plain SGD: tau. */
double comity_steps_weight(size_t steps, double momentum, bool nesterov);

#endif
