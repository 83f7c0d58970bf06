/* Memory that MPI may work in: vectors that live until the process ends if an operation on them was given
 * up. */
#include "comm_impl.h"

#include <string.h>

/* Stands before the memory that the caller gets, on a cache line of its own. */
struct comity_buffer {
  _Alignas(64) comity_buffer *next;
  size_t bytes;
  bool tainted; /* operations that were given up may still use it */
};

comity_status comity_comm_buffer_new(comity_comm *comm, size_t bytes, void **memory) {
  size_t all;
  if (__builtin_add_overflow(bytes, sizeof(comity_buffer), &all))
    all = SIZE_MAX; /* comity_array says what is wrong with it */
  comity_buffer *made = comity_array(all, 1);
  if (made == NULL)
    return COMITY_ERR_MEMORY;
  *made = (comity_buffer){.next = comm->buffers, .bytes = bytes};
  comm->buffers = made;
  *memory = made + 1;
  return COMITY_OK;
}

void comity_comm_buffer_free(comity_comm *comm, void *memory) {
  if (memory == NULL || comity_comm_is_torn(comm)) /* MPI may still use it */
    return;
  comity_buffer **at = &comm->buffers;
  while (*at != NULL && (void *)(*at + 1) != memory)
    at = &(*at)->next;
  COMITY_ASSERT(*at != NULL);
  comity_buffer *found = *at;
  *at = found->next;
  comity_free(found);
}

void comity_comm_free_buffers(comity_comm *comm) {
  while (comm->buffers != NULL)
    comity_comm_buffer_free(comm, comm->buffers + 1);
}

bool comity_comm_owns(const comity_comm *comm, const void *data, size_t bytes) {
  for (const comity_buffer *at = comm->buffers; at != NULL; at = at->next) {
    uintptr_t first = (uintptr_t)(at + 1), from = (uintptr_t)data;
    if (from >= first && bytes <= at->bytes && from - first <= at->bytes - bytes)
      return true;
  }
  return false;
}

void comity_comm_taint_buffers(comity_comm *comm) {
  for (comity_buffer *at = comm->buffers; at != NULL; at = at->next)
    at->tainted = true;
}

comity_status comity_comm_buffer_renew(comity_comm *comm, void **memory) {
  const comity_buffer *old = (comity_buffer *)*memory - 1;
  void *fresh = NULL;
  if (!old->tainted)
    return COMITY_OK;
  COMITY_TRY(comity_comm_buffer_new(comm, old->bytes, &fresh));
  memcpy(fresh, *memory, old->bytes);
  *memory = fresh;
  return COMITY_OK;
}
