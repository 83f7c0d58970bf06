/* The entries of the list of selectors. */
#ifndef COMITY_SERVER_IMPL_H
#define COMITY_SERVER_IMPL_H

#include <comity/server.h>

extern const comity_selector comity_select_all, comity_select_uniform, comity_select_weighted,
    comity_select_round_robin;

/* Sort ids in ascending order, in place and without memory of its own. */
void comity_ids_sort(uint32_t *ids, size_t count);

#endif
