/* Winograd's transforms of whole images and filters: where their pieces lie in scratch memory, and how tiles of pixels become
 * points (winograd_points.h) and points results, forwards and backwards. */
#ifndef COMITY_WINOGRAD_TILES_H
#define COMITY_WINOGRAD_TILES_H

#include "channels_last.h"
#include "winograd_points.h"

enum {
  MOST_TILES = 64,       /* that are transformed together: enough rows for the products */
  MOST_POINTS = 1 << 18, /* floats of V and M together, a half of the second-level cache of 2 MiB */
};

/* A shape and where its pieces lie in scratch memory. Channels last; a chunk of images at a time. */
typedef struct engine {
  const point_set *set;
  size_t taps, tile;         /* numbers of a filter and of a tile in each direction */
  size_t points;             /* tile^2 */
  size_t channels, filters;  /* as they are */
  size_t depth, width;       /* the same, rounded up to vectors */
  size_t rows, columns;      /* of tiles in an image */
  size_t images, block;      /* images of a chunk; rows of tiles that are transformed together */
  size_t in_line, in_pixels; /* of an image with padding that the tiles cover */
  size_t out_line, out_pixels;
  place x, y;           /* of an image in these */
  float *u;             /* (points, channels, width): weights, or their gradient */
  float *turned;        /* (points, width, depth): u^T */
  float *v;             /* (points, tiles, depth) */
  float *m;             /* (points, tiles, width) */
  float *in, *gradient; /* (images, in_pixels, depth): X, dX */
  float *result;        /* (images, out_pixels, width): Y or dY */
  float *filter;        /* (channels * taps^2, width): W or dW with filters last; shares with v */
  float *plain;         /* (filters, channels * taps^2): dW as layers want it; shares with m */
  float *bias;          /* (width) */
  float *strip;         /* (tile, in_line) vectors */
} engine;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

static void measure(const comity_conv_shape *s, engine *e) {
  *e = (engine){.taps = s->kernel[0], .channels = s->channels, .filters = s->filters};
  e->set = e->taps == 3 ? &six_points : &eight_points;
  e->tile = RESULTS + e->taps - 1;
  e->points = e->tile * e->tile;
  e->depth = lanes_up(s->channels);
  e->width = lanes_up(s->filters);
  e->rows = (s->rows + RESULTS - 1) / RESULTS;
  e->columns = (s->columns + RESULTS - 1) / RESULTS;
  e->in_line = e->columns * RESULTS + e->taps - 1;
  e->in_pixels = e->in_line * (e->rows * RESULTS + e->taps - 1);
  e->out_line = e->columns * RESULTS;
  e->out_pixels = e->out_line * e->rows * RESULTS;
  e->x = (place){s->height, s->width, e->in_line, s->padding[0], s->padding[1], s->channels};
  e->y = (place){s->rows, s->columns, e->out_line, 0, 0, s->filters};
  size_t tiles = most(LANES, least(MOST_TILES, MOST_POINTS / e->points / (e->depth + e->width)));
  e->images = most(1, tiles / (e->rows * e->columns));
  e->block = most(1, tiles / e->columns);
}

/* Lay the pieces out from `base`; returns how many floats they take. Each begins where a vector may. */
static size_t lay_out(engine *e, float *base) {
  size_t used = 0, weights = e->channels * e->taps * e->taps, tiles = e->block * e->columns;
  struct piece {
    float **at;
    size_t count;
  } pieces[] = {
      {&e->u, e->points * e->channels * e->width},
      {&e->turned, e->points * e->width * e->depth},
      {&e->v, most(e->points * tiles * e->depth, weights * e->width)},
      {&e->m, most(e->points * tiles * e->width, weights * e->filters)},
      {&e->in, e->images * e->in_pixels * e->depth},
      {&e->gradient, e->images * e->in_pixels * e->depth},
      {&e->result, e->images * e->out_pixels * e->width},
      {&e->bias, e->width},
      {&e->strip, e->tile * e->in_line * LANES},
  };
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
    if (base != NULL)
      *pieces[i].at = base + used;
    used += (pieces[i].count + 15) / 16 * 16;
  }
  e->filter = e->v;
  e->plain = e->m;
  return used;
}

/* ---------------------------------------------------------------------------------------------- transforms */

static void clear(float *values, size_t count) { memset(values, 0, count * sizeof *values); }

/* u[p] = G w G^T for every channel and filter. */
static void filters_to_points(const engine *e, const float *weight) {
  size_t taps = e->taps, window = taps * taps;
  float g[MOST_TILE][MOST_TILE];
  filter_matrix(e->set, taps, g);
  place line = {1, e->channels * window, e->channels * window, 0, 0, e->filters};
  to_channels_last(&line, weight, e->filter);
  for (size_t c = 0; c < e->channels; c++)
    for (size_t f = 0; f < e->width; f += LANES) {
      const float *w = e->filter + c * window * e->width + f;
      vector half[MOST_TILE][MOST_TILE];
      for (size_t i = 0; i < e->tile; i++)
        for (size_t b = 0; b < taps; b++) {
          half[i][b] = (vector){0};
          for (size_t a = 0; a < taps; a++)
            half[i][b] += g[i][a] * vector_load(w + (a * taps + b) * e->width);
        }
      for (size_t i = 0; i < e->tile; i++)
        for (size_t j = 0; j < e->tile; j++) {
          vector sum = {0};
          for (size_t b = 0; b < taps; b++)
            sum += g[j][b] * half[i][b];
          vector_store(e->u + ((i * e->tile + j) * e->channels + c) * e->width + f, sum);
        }
    }
}

/* plain = G^T u G, back in the order of layers. */
static void points_to_filters(const engine *e) {
  size_t taps = e->taps, window = taps * taps;
  float g[MOST_TILE][MOST_TILE];
  filter_matrix(e->set, taps, g);
  for (size_t c = 0; c < e->channels; c++)
    for (size_t f = 0; f < e->width; f += LANES) {
      vector half[MOST_TILE][MOST_TILE];
      for (size_t i = 0; i < e->tile; i++)
        for (size_t b = 0; b < taps; b++) {
          half[i][b] = (vector){0};
          for (size_t j = 0; j < e->tile; j++)
            half[i][b] += g[j][b] * vector_load(e->u + ((i * e->tile + j) * e->channels + c) * e->width + f);
        }
      for (size_t a = 0; a < taps; a++)
        for (size_t b = 0; b < taps; b++) {
          vector sum = {0};
          for (size_t i = 0; i < e->tile; i++)
            sum += g[i][a] * half[i][b];
          vector_store(e->filter + (c * window + a * taps + b) * e->width + f, sum);
        }
    }
  place line = {1, e->channels * window, e->channels * window, 0, 0, e->filters};
  to_channels_first(&line, e->filter, NULL, e->plain);
}

/* turned[p] = u[p]^T */
static void turn_filters(const engine *e) {
  place line = {1, e->width, e->width, 0, 0, e->channels};
  for (size_t p = 0; p < e->points; p++)
    to_channels_last(&line, e->u + p * e->channels * e->width, e->turned + p * e->width * e->depth);
}

/* Where row `row` of tiles of a chunk begins in images of that many pixels. */
static size_t first_pixel(const engine *e, size_t row, size_t pixels, size_t line) {
  return row / e->rows * pixels + row % e->rows * RESULTS * line;
}

/* v = in(X) for `count` rows of tiles. Neighbours overlap, so columns are transformed once for all tiles. */
COMITY_INLINE void data_in_of(const point_set *set, const engine *e, size_t row, size_t count) {
  const size_t tile = 2 * set->pairs + 2;
  size_t point = count * e->columns * e->depth;
  for (size_t t = 0; t < count; t++)
    for (size_t c = 0; c < e->depth; c += LANES) {
      const float *x = e->in + first_pixel(e, row + t, e->in_pixels, e->in_line) * e->depth + c;
      for (size_t k = 0; k < e->in_line; k++) {
        vector d[MOST_TILE], v[MOST_TILE];
        COMITY_UNROLL
        for (size_t i = 0; i < tile; i++)
          d[i] = vector_load(x + (i * e->in_line + k) * e->depth);
        data_to_points(set, d, v);
        COMITY_UNROLL
        for (size_t i = 0; i < tile; i++)
          vector_store(e->strip + (i * e->in_line + k) * LANES, v[i]);
      }
      COMITY_UNROLL
      for (size_t i = 0; i < tile; i++)
        for (size_t k = 0; k < e->columns; k++) {
          vector d[MOST_TILE], v[MOST_TILE];
          COMITY_UNROLL
          for (size_t j = 0; j < tile; j++)
            d[j] = vector_load(e->strip + (i * e->in_line + k * RESULTS + j) * LANES);
          data_to_points(set, d, v);
          float *to = e->v + i * tile * point + (t * e->columns + k) * e->depth + c;
          COMITY_UNROLL
          for (size_t j = 0; j < tile; j++)
            vector_store(to + j * point, v[j]);
        }
    }
}

/* gradient += in^T(v), the same steps backwards. */
COMITY_INLINE void data_back_of(const point_set *set, const engine *e, size_t row, size_t count) {
  const size_t tile = 2 * set->pairs + 2;
  size_t point = count * e->columns * e->depth;
  for (size_t t = 0; t < count; t++)
    for (size_t c = 0; c < e->depth; c += LANES) {
      clear(e->strip, e->tile * e->in_line * LANES);
      COMITY_UNROLL
      for (size_t i = 0; i < tile; i++)
        for (size_t k = 0; k < e->columns; k++) {
          vector v[MOST_TILE], d[MOST_TILE];
          const float *from = e->v + i * tile * point + (t * e->columns + k) * e->depth + c;
          COMITY_UNROLL
          for (size_t j = 0; j < tile; j++)
            v[j] = vector_load(from + j * point);
          points_to_data(set, v, d);
          float *to = e->strip + (i * e->in_line + k * RESULTS) * LANES;
          COMITY_UNROLL
          for (size_t j = 0; j < tile; j++)
            vector_store(to + j * LANES, vector_load(to + j * LANES) + d[j]);
        }
      float *dx = e->gradient + first_pixel(e, row + t, e->in_pixels, e->in_line) * e->depth + c;
      for (size_t k = 0; k < e->in_line; k++) {
        vector v[MOST_TILE], d[MOST_TILE];
        COMITY_UNROLL
        for (size_t i = 0; i < tile; i++)
          v[i] = vector_load(e->strip + (i * e->in_line + k) * LANES);
        points_to_data(set, v, d);
        COMITY_UNROLL
        for (size_t i = 0; i < tile; i++) {
          float *to = dx + (i * e->in_line + k) * e->depth;
          vector_store(to, vector_load(to) + d[i]);
        }
      }
    }
}

/* y = out(m) for a vector of a tile, whose points are `point` apart and whose results lie in lines of pixels. */
COMITY_INLINE void tile_out(const point_set *set, const float *m, size_t point, float *y, size_t line,
                            size_t pixel) {
  const size_t tile = 2 * set->pairs + 2;
  vector half[MOST_TILE][RESULTS], side[RESULTS], points[MOST_TILE];
  COMITY_UNROLL
  for (size_t i = 0; i < tile; i++) {
    COMITY_UNROLL
    for (size_t j = 0; j < tile; j++)
      points[j] = vector_load(m + (i * tile + j) * point);
    points_to_results(set, points, half[i]);
  }
  COMITY_UNROLL
  for (size_t j = 0; j < RESULTS; j++) {
    COMITY_UNROLL
    for (size_t i = 0; i < tile; i++)
      points[i] = half[i][j];
    points_to_results(set, points, side);
    COMITY_UNROLL
    for (size_t i = 0; i < RESULTS; i++)
      vector_store(y + i * line + j * pixel, side[i]);
  }
}

/* m = out^T(y), the same steps backwards. */
COMITY_INLINE void tile_back(const point_set *set, const float *y, size_t line, size_t pixel, float *m,
                             size_t point) {
  const size_t tile = 2 * set->pairs + 2;
  vector half[MOST_TILE][RESULTS], side[RESULTS], points[MOST_TILE];
  COMITY_UNROLL
  for (size_t j = 0; j < RESULTS; j++) {
    COMITY_UNROLL
    for (size_t i = 0; i < RESULTS; i++)
      side[i] = vector_load(y + i * line + j * pixel);
    results_to_points(set, side, points);
    COMITY_UNROLL
    for (size_t i = 0; i < tile; i++)
      half[i][j] = points[i];
  }
  COMITY_UNROLL
  for (size_t i = 0; i < tile; i++) {
    results_to_points(set, half[i], points);
    COMITY_UNROLL
    for (size_t j = 0; j < tile; j++)
      vector_store(m + (i * tile + j) * point, points[j]);
  }
}

/* Y = out(m), or backwards m = out^T(Y), for `count` rows of tiles. */
COMITY_INLINE void results_of(const point_set *set, const engine *e, size_t row, size_t count, bool back) {
  size_t point = count * e->columns * e->width, line = e->out_line * e->width;
  for (size_t t = 0; t < count; t++)
    for (size_t k = 0; k < e->columns; k++)
      for (size_t c = 0; c < e->width; c += LANES) {
        size_t pixel = first_pixel(e, row + t, e->out_pixels, e->out_line) + k * RESULTS;
        float *y = e->result + pixel * e->width + c, *m = e->m + (t * e->columns + k) * e->width + c;
        if (back)
          tile_back(set, y, line, e->width, m, point);
        else
          tile_out(set, m, point, y, line, e->width);
      }
}

/* Each of the transforms for each set of points, with all loops over a tile unrolled. */
static void data_in(const engine *e, size_t row, size_t count) {
  if (e->set == &six_points)
    data_in_of(&six_points, e, row, count);
  else
    data_in_of(&eight_points, e, row, count);
}

static void data_back(const engine *e, size_t row, size_t count) {
  if (e->set == &six_points)
    data_back_of(&six_points, e, row, count);
  else
    data_back_of(&eight_points, e, row, count);
}

static void results_out(const engine *e, size_t row, size_t count) {
  if (e->set == &six_points)
    results_of(&six_points, e, row, count, false);
  else
    results_of(&eight_points, e, row, count, false);
}

static void results_back(const engine *e, size_t row, size_t count) {
  if (e->set == &six_points)
    results_of(&six_points, e, row, count, true);
  else
    results_of(&eight_points, e, row, count, true);
}

#endif
