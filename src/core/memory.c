/* Aligned, zeroed memory and formatted text that is owned by the caller. */
#include "core_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

/* Vectors of parameters are passed over from end to end, and copied between processes page by page: with huge pages both
 * take less time. Only whole ones are asked for, so a block never takes more memory than it has. */
void *comity_memory_untouched(size_t bytes) {
  size_t alignment = bytes < HUGE_PAGE ? ALIGNMENT : HUGE_PAGE;
  if (bytes > PTRDIFF_MAX - HUGE_PAGE)
    return NULL;
  size_t rounded = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  void *memory;
  if (posix_memalign(&memory, alignment, rounded) != 0) /* aligned_alloc wants a multiple of the alignment */
    return NULL;
  if (bytes >= HUGE_PAGE)
    (void)madvise(memory, rounded / HUGE_PAGE * HUGE_PAGE,
                  MADV_HUGEPAGE); /* where there are none, others do */
  return memory;
}

void *comity_array(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - HUGE_PAGE) {
    (void)comity_fail(COMITY_ERR_MEMORY,
                      "cannot allocate %zu elements of %zu bytes: more than the address space", count, size);
    return NULL;
  }
  void *memory = comity_memory_untouched(bytes);
  if (memory == NULL) {
    (void)comity_fail(COMITY_ERR_MEMORY, "out of memory: cannot allocate %zu bytes", bytes);
    return NULL;
  }
  return memset(memory, 0, bytes);
}

void comity_free(void *memory) { free(memory); }

/* Not getrusage: its maximum begins with that of the process that started this one. */
double comity_memory_peak(void) {
  char line[128];
  double kib = 0;
  FILE *about = fopen("/proc/self/status", "re");
  if (about == NULL)
    return 0;
  while (kib == 0 && fgets(line, sizeof line, about) != NULL)
    if (strncmp(line, "VmHWM:", 6) == 0)
      kib = strtod(line + 6, NULL);
  fclose(about);
  return 1024 * kib;
}

comity_status comity_array_grow(void *memory, size_t *room, size_t needed, size_t size) {
  if (needed <= *room)
    return COMITY_OK;
  size_t more = *room < 8 ? 16 : 2 * *room;
  more = more < needed ? needed : more;
  void *grown = comity_array(more, size), *old;
  if (grown == NULL)
    return COMITY_ERR_MEMORY;
  memcpy(&old, memory, sizeof old); /* a pointer of any type: copied, not cast */
  if (old != NULL)
    memcpy(grown, old, *room * size);
  comity_free(old);
  memcpy(memory, &grown, sizeof grown);
  *room = more;
  return COMITY_OK;
}

char *comity_text(const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = length < 0 ? NULL : comity_array((size_t)length + 1, 1);
  if (text != NULL)
    vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}
