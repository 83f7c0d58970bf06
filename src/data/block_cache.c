/* Examples in memory, by client; the least recently used ones go when the limit is reached. */
#include "data_impl.h"

#include <string.h>

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* One allocation holds the block, its x and its y: with many small clients the allocator's own share would
 * count. */
comity_status comity_block_new(size_t count, size_t x_bytes, size_t targets, comity_block **block) {
  size_t x_size, y_size, bytes;
  COMITY_REQUIRE(!__builtin_mul_overflow(count, x_bytes, &x_size) &&
                     !__builtin_mul_overflow(count, targets * sizeof(float), &y_size) &&
                     x_size < SIZE_MAX / 4 && y_size < SIZE_MAX / 4,
                 COMITY_ERR_MEMORY, "cannot allocate %zu examples of %zu bytes: more than the address space",
                 count, x_bytes);
  bytes = aligned(sizeof(comity_block)) + aligned(x_size) + y_size;
  uint8_t *memory;
  COMITY_TRY(COMITY_NEW(memory, bytes));
  comity_block *made = (comity_block *)(void *)memory;
  made->count = count;
  made->x = memory + aligned(sizeof *made);
  made->y = (float *)(void *)(memory + aligned(sizeof *made) + aligned(x_size));
  made->bytes = bytes;
  *block = made;
  return COMITY_OK;
}

void comity_block_destroy(comity_block **block) {
  comity_free(*block);
  *block = NULL;
}

static void detach(comity_block_cache *cache, comity_block *block) {
  *(block->newer != NULL ? &block->newer->older : &cache->newest) = block->older;
  *(block->older != NULL ? &block->older->newer : &cache->oldest) = block->newer;
}

static void attach(comity_block_cache *cache, comity_block *block) {
  block->newer = NULL;
  block->older = cache->newest;
  *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = block;
  cache->newest = block;
}

comity_block *comity_block_cache_find(comity_block_cache *cache, size_t split, size_t client) {
  comity_block *block = cache->slots[split] == NULL ? NULL : cache->slots[split][client];
  if (block != NULL) {
    detach(cache, block);
    attach(cache, block);
  }
  return block;
}

void comity_block_cache_make_room(comity_block_cache *cache, size_t bytes) {
  while (cache->oldest != NULL && (bytes > cache->limit || cache->used > cache->limit - bytes)) {
    comity_block *block = cache->oldest;
    detach(cache, block);
    cache->slots[block->split][block->client] = NULL;
    cache->used -= block->bytes;
    comity_block_destroy(&block);
  }
}

comity_status comity_block_cache_add(comity_block_cache *cache, comity_block *block) {
  if (cache->slots[block->split] == NULL)
    COMITY_TRY(COMITY_NEW(cache->slots[block->split], cache->clients));
  cache->slots[block->split][block->client] = block;
  cache->used += block->bytes;
  attach(cache, block);
  return COMITY_OK;
}

void comity_block_cache_clear(comity_block_cache *cache) {
  comity_block_cache_make_room(cache, SIZE_MAX);
  for (int s = 0; s < COMITY_SPLIT_COUNT; s++) {
    comity_free(cache->slots[s]);
    cache->slots[s] = NULL;
  }
}
