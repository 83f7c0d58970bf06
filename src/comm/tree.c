/* Trees over the members' addresses: short messages through a wide and shallow one, long vectors in pieces
 * that follow each other through a chain or a binary tree, so that all links work at the same time. */
#include "comm_impl.h"

#include <string.h>

/* Pieces that need no slot may be under way in larger numbers, which long distances want. */
enum { DIRECT_RING = 64, MOST_REQUESTS = COMITY_TREE_BINARY * DIRECT_RING };

/* One vector on its way through this member's place in the tree. */
typedef struct flow {
  comity_call *call;
  comity_tree tree;
  uint8_t *data; /* (bytes) the caller's */
  size_t bytes, piece, pieces;
  bool direct;                                       /* MPI may work in the caller's memory */
  size_t ring;                                       /* pieces that may be under way */
  size_t open;                                       /* pieces that were begun */
  MPI_Request in[MOST_REQUESTS], out[MOST_REQUESTS]; /* (neighbours, ring) */
} flow;

static bool is_root(const flow *f) { return f->tree.parent < 0; }

static void open_flow(flow *f, comity_call *call, void *data, size_t bytes) {
  const comity_comm *comm = call->comm;
  int fan_out = comity_tree_fan_out(comm->members.size, bytes, comm->piece);
  f->call = call;
  f->tree = fan_out == COMITY_TREE_WIDE ? comm->wide
                                        : comity_tree_at(comm->members.rank, comm->members.size, fan_out);
  f->data = data;
  f->bytes = bytes;
  f->piece = comity_tree_piece(comm->members.size, bytes, comm->piece);
  f->pieces = bytes / f->piece + (bytes % f->piece != 0);
  f->direct = comity_comm_owns(comm, data, bytes);
  f->open = 0;
}

/* For pieces in slots or not. */
static void set_ring(flow *f, bool slots) {
  size_t most = slots ? COMITY_COMM_RING : DIRECT_RING;
  f->ring = f->pieces < most ? f->pieces : most;
}

static size_t length(const flow *f, size_t i) {
  return i + 1 < f->pieces ? f->piece : f->bytes - i * f->piece;
}

/* Where piece i of a neighbour's stream lies while it is under way, unless MPI works on it in place. */
static uint8_t *slot(const flow *f, int neighbour, size_t i) {
  return f->call->comm->slots + ((size_t)neighbour * f->ring + i % f->ring) * f->piece;
}

static MPI_Request *request(const flow *f, MPI_Request *of, int neighbour, size_t i) {
  return &of[(size_t)neighbour * f->ring + i % f->ring];
}

/* Wait for a piece from or to a child. */
static comity_status wait_child(flow *f, MPI_Request *of, int c, size_t i) {
  COMITY_TRY(comity_call_wait(f->call, request(f, of, c, i), f->tree.child[c], f->tree.child[c + 1]));
  f->call->moving |= of == f->in || f->pieces > 1;
  return COMITY_OK;
}

/* What does not come down may be missing to the parent, too. */
static comity_status wait_parent(flow *f, MPI_Request *of, size_t i) {
  int first = of == f->in ? COMITY_COMM_SERVER : f->tree.parent;
  COMITY_TRY(comity_call_wait(f->call, request(f, of, 0, i), first, f->tree.parent + 1));
  f->call->moving |= of == f->in || f->pieces > 1;
  return COMITY_OK;
}

/* How far ahead of piece i pieces are begun. */
static bool may_open(const flow *f, size_t i) {
  size_t ahead = f->ring > 1 ? f->ring / 2 : 1;
  return f->open < f->pieces && f->open < i + ahead;
}

/* The last pieces are on their way: until they have arrived. */
static size_t first_open(const flow *f) { return f->pieces > f->ring ? f->pieces - f->ring : 0; }

/* --------------------------------------------------------------------------------------------------- down */

static uint8_t *place_down(const flow *f, size_t i) {
  return f->direct ? f->data + i * f->piece : slot(f, 0, i);
}

static comity_status begin_down(flow *f, size_t i) {
  for (int c = 0; c < f->tree.count && i >= f->ring; c++) /* its place is free when all have the one before */
    COMITY_TRY(wait_child(f, f->out, c, i - f->ring));
  if (!is_root(f))
    return comity_call_receive(f->call, f->tree.parent, place_down(f, i), length(f, i),
                               request(f, f->in, 0, i));
  if (!f->direct)
    memcpy(place_down(f, i), f->data + i * f->piece, length(f, i));
  return COMITY_OK;
}

static comity_status pass_down(flow *f, size_t i) {
  if (!is_root(f)) {
    COMITY_TRY(wait_parent(f, f->in, i));
    if (!f->direct)
      memcpy(f->data + i * f->piece, place_down(f, i), length(f, i));
  }
  for (int c = 0; c < f->tree.count; c++)
    COMITY_TRY(comity_call_send(f->call, f->tree.child[c], place_down(f, i), length(f, i),
                                request(f, f->out, c, i)));
  return COMITY_OK;
}

static comity_status broadcast(comity_call *call, void *data, size_t bytes) {
  flow f;
  open_flow(&f, call, data, bytes);
  set_ring(&f, !f.direct);
  for (size_t i = 0; i < f.pieces; i++) {
    for (; may_open(&f, i); f.open++)
      COMITY_TRY(begin_down(&f, f.open));
    COMITY_TRY(pass_down(&f, i));
  }
  for (size_t i = first_open(&f); i < f.pieces; i++)
    for (int c = 0; c < f.tree.count; c++)
      COMITY_TRY(wait_child(&f, f.out, c, i));
  return COMITY_OK;
}

/* ----------------------------------------------------------------------------------------------------- up */

/* One vector on its way up, and what is added to it here. */
typedef struct sum_flow {
  flow f;
  const comity_sum *sum;
  bool adds;    /* this member has something to add */
  bool at_home; /* a piece grows where the vector has it, not in a slot */
} sum_flow;

/* Where the pieces of child c arrive, and, of the first child, where their sum grows. */
static uint8_t *place_up(const sum_flow *s, int c, size_t i) {
  return c == 0 && s->at_home ? s->f.data + i * s->f.piece : slot(&s->f, c, i);
}

static comity_status begin_up(sum_flow *s, size_t i) {
  flow *f = &s->f;
  if (!is_root(f) && i >= f->ring) /* its slot is free when the parent has the one before */
    COMITY_TRY(wait_parent(f, f->out, i - f->ring));
  for (int c = 0; c < f->tree.count; c++)
    COMITY_TRY(comity_call_receive(f->call, f->tree.child[c], place_up(s, c, i), length(f, i),
                                   request(f, f->in, c, i)));
  return COMITY_OK;
}

/* The children's pieces and the own become one, which is still in the cache when it goes on. */
static comity_status pass_up(sum_flow *s, size_t i) {
  flow *f = &s->f;
  uint8_t *piece = place_up(s, 0, i);
  size_t offset = i * f->piece, bytes = length(f, i);
  if (f->tree.count == 0 && !s->at_home)
    comity_sum_set(s->sum, offset, bytes, piece);
  for (int c = 0; c < f->tree.count; c++) {
    COMITY_TRY(wait_child(f, f->in, c, i));
    if (c > 0)
      s->sum->number->add(piece, place_up(s, c, i), bytes / s->sum->number->bytes);
    else if (s->adds)
      comity_sum_add(s->sum, offset, bytes, piece);
  }
  if (!is_root(f))
    return comity_call_send(f->call, f->tree.parent, piece, bytes, request(f, f->out, 0, i));
  comity_sum_take(s->sum, offset, bytes, piece);
  return COMITY_OK;
}

static comity_status sum(comity_call *call, const comity_sum *sum) {
  const comity_summing *how = sum->how;
  sum_flow s = {.sum = sum};
  flow *f = &s.f;
  open_flow(f, call, sum->data, sum->count * sum->number->bytes);
  bool root = is_root(f), leaf = f->tree.count == 0;
  s.adds = !root || !how->only_receives;
  s.at_home = f->direct && ((root && !s.adds && how->take == NULL) || (leaf && how->add == NULL));
  set_ring(f, !s.at_home || f->tree.count > 1);
  for (size_t i = 0; i < f->pieces; i++) {
    for (; may_open(f, i); f->open++)
      COMITY_TRY(begin_up(&s, f->open));
    COMITY_TRY(pass_up(&s, i));
  }
  for (size_t i = first_open(f); i < f->pieces && !root; i++)
    COMITY_TRY(wait_parent(f, f->out, i));
  return COMITY_OK;
}

const comity_collectives comity_collectives_tree = {.name = "tree", .broadcast = broadcast, .sum = sum};
