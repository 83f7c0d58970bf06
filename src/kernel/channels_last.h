/* Images with channels first, as layers hold them, to and from images with channels last, in which vector code
 * finds the channels of a pixel side by side. Channels are rounded up to whole vectors; the image may lie
 * inside a larger one, whose border stays as it is. */
#ifndef COMITY_CHANNELS_LAST_H
#define COMITY_CHANNELS_LAST_H

#include "vector.h"

/* Where an image of (height, width) pixels lies in a channels-last one. */
typedef struct place {
  size_t height, width;
  size_t line;      /* pixels of a row of the larger image */
  size_t top, left; /* where the smaller one begins */
  size_t channels;
} place;

/* Pixels are taken LANES at a time through all rows. The last of them overlap with those before, so that only
 * tiny images need parts of vectors. */
COMITY_INLINE size_t block_start(size_t pixel, size_t pixels, size_t *count) {
  *count = pixels < LANES ? pixels : LANES;
  return pixel + *count > pixels ? pixels - *count : pixel;
}

/* from (channels, height, width) -> to (.., line, lanes_up(channels)); the lanes beyond the channels get 0. */
static inline void to_channels_last(const place *at, const float *from, float *to) {
  size_t pixels = at->height * at->width, depth = lanes_up(at->channels);
  for (size_t c = 0; c < at->channels; c += LANES) {
    size_t rows = at->channels - c < LANES ? at->channels - c : LANES;
    for (size_t pixel = 0; pixel < pixels; pixel += LANES) {
      size_t count, start = block_start(pixel, pixels, &count);
      const float *in = from + c * pixels + start;
      vector m[LANES];
      if (rows == LANES && count == LANES) {
        COMITY_UNROLL
        for (size_t i = 0; i < LANES; i++)
          m[i] = vector_load(in + i * pixels);
      } else
        for (size_t i = 0; i < LANES; i++) {
          m[i] = (vector){0};
          if (i < rows)
            m[i] = count == LANES ? vector_load(in + i * pixels) : vector_load_part(in + i * pixels, count);
        }
      vector_transpose(m);
      size_t column = start % at->width;
      float *out = to + ((start / at->width + at->top) * at->line + at->left + column) * depth + c;
      for (size_t i = 0; i < count; i++, out += depth) {
        vector_store(out, m[i]);
        if (++column == at->width) {
          column = 0;
          out += (at->line - at->width) * depth;
        }
      }
    }
  }
}

/* The way back, with bias[channel] added; NULL = none. */
static inline void to_channels_first(const place *at, const float *from, const float *bias, float *to) {
  size_t pixels = at->height * at->width, depth = lanes_up(at->channels);
  for (size_t c = 0; c < at->channels; c += LANES) {
    size_t rows = at->channels - c < LANES ? at->channels - c : LANES;
    vector add = {0};
    if (bias != NULL)
      add = rows == LANES ? vector_load(bias + c) : vector_load_part(bias + c, rows);
    for (size_t pixel = 0; pixel < pixels; pixel += LANES) {
      size_t count, start = block_start(pixel, pixels, &count), column = start % at->width;
      const float *in = from + ((start / at->width + at->top) * at->line + at->left + column) * depth + c;
      vector m[LANES];
      for (size_t i = 0; i < LANES; i++) {
        m[i] = (vector){0};
        if (i >= count)
          continue;
        m[i] = vector_load(in) + add;
        in += depth;
        if (++column == at->width) {
          column = 0;
          in += (at->line - at->width) * depth;
        }
      }
      vector_transpose(m);
      float *out = to + c * pixels + start;
      if (rows == LANES && count == LANES) {
        COMITY_UNROLL
        for (size_t i = 0; i < LANES; i++)
          vector_store(out + i * pixels, m[i]);
      } else
        for (size_t i = 0; i < rows; i++) {
          if (count == LANES)
            vector_store(out + i * pixels, m[i]);
          else
            vector_store_part(out + i * pixels, m[i], count);
        }
    }
  }
}

#endif
