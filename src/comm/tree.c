/* Trees over the members' addresses: short messages through a wide and shallow one, long vectors in pieces
 * that follow each other through a chain or a binary tree, so that all links work at the same time. */
#include "comm_impl.h"

#include <string.h>

/* Pieces that need no slot may be under way in larger numbers, which long distances want. */
enum {
  DIRECT_RING = 64,
  MOST_REQUESTS = COMITY_TREE_CHILDREN > 2 * DIRECT_RING ? COMITY_TREE_CHILDREN : 2 * DIRECT_RING
};

/* One vector on its way through this member's place in the tree. */
typedef struct flow {
  comity_call *call;
  comity_tree tree;
  uint8_t *data; /* (bytes) the caller's */
  size_t bytes, piece, pieces;
  bool direct;                                       /* MPI may work in the caller's memory */
  bool brief;                                        /* one message with its seal behind it, in slots */
  bool checked;                                      /* a seal of its own follows the last piece */
  size_t ring;                                       /* pieces that may be under way */
  size_t open;                                       /* pieces that were begun */
  MPI_Request in[MOST_REQUESTS], out[MOST_REQUESTS]; /* (neighbours, ring) */
  MPI_Request seal_in[COMITY_TREE_CHILDREN], seal_out[COMITY_TREE_CHILDREN]; /* (neighbours) */
  uint64_t digest_in[COMITY_TREE_CHILDREN], digest_out; /* of what came from each and of what went out */
} flow;

static bool is_root(const flow *f) { return f->tree.parent < 0; }

static void open_flow(flow *f, comity_call *call, void *data, size_t bytes) {
  const comity_comm *comm = call->comm;
  const comity_members *members = &comm->members;
  int fan_out = comity_tree_fan_out(members->count, bytes, comm->piece);
  f->call = call;
  f->brief = fan_out == COMITY_TREE_WIDE;
  f->tree = f->brief ? comm->wide : comity_tree_at(members->place, members->links, members->count, fan_out);
  f->data = data;
  f->bytes = bytes;
  f->piece = comity_tree_piece(members->links, bytes, comm->piece);
  f->pieces = bytes / f->piece + (bytes % f->piece != 0);
  f->direct = !f->brief && comity_comm_owns(comm, data, bytes);
  f->checked = !f->brief && !comm->unchecked;
  f->open = 0;
  f->digest_out = 0;
}

/* For pieces in slots or not. */
static void set_ring(flow *f, bool slots) {
  size_t neighbours = f->tree.count < COMITY_TREE_BINARY ? COMITY_TREE_BINARY : (size_t)f->tree.count;
  size_t most = slots ? COMITY_TREE_BINARY * COMITY_COMM_RING / neighbours : MOST_REQUESTS / neighbours;
  most = most < 1 ? 1 : most > DIRECT_RING ? DIRECT_RING : most;
  f->ring = f->pieces < most ? f->pieces : most;
  for (size_t i = 0; i < neighbours * f->ring; i++)
    f->in[i] = f->out[i] = MPI_REQUEST_NULL;
  for (int c = 0; c < COMITY_TREE_CHILDREN && c < (int)neighbours; c++) {
    f->seal_in[c] = f->seal_out[c] = MPI_REQUEST_NULL;
    f->digest_in[c] = 0;
  }
}

static size_t length(const flow *f, size_t i) {
  return i + 1 < f->pieces ? f->piece : f->bytes - i * f->piece;
}

/* Where piece i of a neighbour's stream lies while it is under way, unless MPI works on it in place. */
static uint8_t *slot(const flow *f, int neighbour, size_t i) {
  size_t room = f->piece + (f->brief ? sizeof(comity_seal) : 0);
  return f->call->comm->slots + ((size_t)neighbour * f->ring + i % f->ring) * room;
}

static MPI_Request *request(const flow *f, MPI_Request *of, int neighbour, size_t i) {
  return &of[(size_t)neighbour * f->ring + i % f->ring];
}

/* ------------------------------------------------------------------------------------------ pieces and seals */

static comity_status send_piece(flow *f, int peer, uint8_t *place, size_t i, MPI_Request *of) {
  size_t bytes = length(f, i);
  if (f->brief) {
    comity_seal seal = comity_call_seal(f->call, comity_digest(place, bytes, 0), bytes);
    memcpy(place + bytes, &seal, sizeof seal);
    bytes += sizeof seal;
  }
  return comity_call_send(f->call, peer, place, bytes, of);
}

static comity_status receive_piece(flow *f, int peer, uint8_t *place, size_t i, MPI_Request *of) {
  return comity_call_receive(f->call, peer, place, length(f, i) + (f->brief ? sizeof(comity_seal) : 0), of);
}

/* A piece is on its way: others may take it meanwhile. */
static void add_digest(flow *f, const uint8_t *place, size_t i) {
  if (f->checked)
    f->digest_out = comity_digest(place, length(f, i), f->digest_out);
}

/* A piece has come from a neighbour, of all pieces in order. */
static comity_status look_at(flow *f, int peer, uint8_t *place, size_t i, uint64_t *digest) {
  size_t bytes = length(f, i);
  comity_call_damage(f->call, peer, place, bytes, i);
  if (!f->brief) {
    *digest = f->checked ? comity_digest(place, bytes, *digest) : 0;
    return COMITY_OK;
  }
  comity_seal seal;
  memcpy(&seal, place + bytes, sizeof seal);
  if (comity_call_sealed(f->call, &seal, comity_digest(place, bytes, 0), bytes))
    return COMITY_OK;
  return comity_call_corrupt(f->call, peer);
}

/* Seals lie in memory of their own: the first goes out, the others come in. */
static comity_status receive_seal(flow *f, int peer, int neighbour) {
  comity_seal *seals = f->call->comm->seals;
  return comity_call_receive(f->call, peer, &seals[1 + neighbour], sizeof *seals, &f->seal_in[neighbour]);
}

static comity_status send_seal(flow *f, int peer, int neighbour) {
  comity_seal *seals = f->call->comm->seals;
  seals[0] = comity_call_seal(f->call, f->digest_out, f->bytes);
  return comity_call_send(f->call, peer, &seals[0], sizeof *seals, &f->seal_out[neighbour]);
}

/* Whether all that came from this neighbour is what it sent. */
static comity_status check_seal(flow *f, int first, int end, int neighbour) {
  COMITY_TRY(comity_call_wait(f->call, &f->seal_in[neighbour], first, end));
  const comity_seal *seal = &f->call->comm->seals[1 + neighbour];
  if (comity_call_sealed(f->call, seal, f->digest_in[neighbour], f->bytes))
    return COMITY_OK;
  return comity_call_corrupt(f->call, first);
}

/* What is still under way when the flow was interrupted is left behind. */
static comity_status close_flow(flow *f, comity_status status) {
  size_t neighbours = f->tree.count < COMITY_TREE_BINARY ? COMITY_TREE_BINARY : (size_t)f->tree.count;
  if (status == COMITY_OK)
    return COMITY_OK;
  (void)comity_call_abandon_receives(f->call, f->in, neighbours * f->ring, status);
  (void)comity_call_abandon_receives(f->call, f->seal_in, neighbours, status);
  (void)comity_call_abandon_sends(f->call, f->out, neighbours * f->ring, status);
  return comity_call_abandon_sends(f->call, f->seal_out, neighbours, status);
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
    return receive_piece(f, f->tree.parent, place_down(f, i), i, request(f, f->in, 0, i));
  if (!f->direct)
    memcpy(place_down(f, i), f->data + i * f->piece, length(f, i));
  return COMITY_OK;
}

static comity_status pass_down(flow *f, size_t i) {
  if (!is_root(f)) {
    COMITY_TRY(wait_parent(f, f->in, i));
    COMITY_TRY(look_at(f, f->tree.parent, place_down(f, i), i, &f->digest_in[0]));
    if (!f->direct)
      memcpy(f->data + i * f->piece, place_down(f, i), length(f, i));
  }
  for (int c = 0; c < f->tree.count; c++)
    COMITY_TRY(send_piece(f, f->tree.child[c], place_down(f, i), i, request(f, f->out, c, i)));
  if (is_root(f))
    add_digest(f, place_down(f, i), i);
  return COMITY_OK;
}

/* Only who has it whole says so to its children. */
static comity_status seal_down(flow *f) {
  if (!f->checked)
    return COMITY_OK;
  if (!is_root(f)) {
    COMITY_TRY(receive_seal(f, f->tree.parent, 0));
    COMITY_TRY(check_seal(f, f->tree.parent, f->tree.parent + 1, 0));
    f->digest_out = f->digest_in[0];
  }
  for (int c = 0; c < f->tree.count; c++)
    COMITY_TRY(send_seal(f, f->tree.child[c], c));
  for (int c = 0; c < f->tree.count; c++)
    COMITY_TRY(comity_call_wait(f->call, &f->seal_out[c], f->tree.child[c], f->tree.child[c + 1]));
  return COMITY_OK;
}

static comity_status flow_down(flow *f) {
  for (size_t i = 0; i < f->pieces; i++) {
    for (; may_open(f, i); f->open++)
      COMITY_TRY(begin_down(f, f->open));
    COMITY_TRY(pass_down(f, i));
  }
  for (size_t i = first_open(f); i < f->pieces; i++)
    for (int c = 0; c < f->tree.count; c++)
      COMITY_TRY(wait_child(f, f->out, c, i));
  return seal_down(f);
}

static comity_status broadcast(comity_call *call, void *data, size_t bytes) {
  flow f;
  open_flow(&f, call, data, bytes);
  set_ring(&f, !f.direct);
  return close_flow(&f, flow_down(&f));
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
    COMITY_TRY(receive_piece(f, f->tree.child[c], place_up(s, c, i), i, request(f, f->in, c, i)));
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
    COMITY_TRY(look_at(f, f->tree.child[c], place_up(s, c, i), i, &f->digest_in[c]));
    if (c > 0)
      s->sum->number->add(piece, place_up(s, c, i), bytes / s->sum->number->bytes);
    else if (s->adds)
      comity_sum_add(s->sum, offset, bytes, piece);
  }
  if (is_root(f)) {
    comity_sum_take(s->sum, offset, bytes, piece);
    return COMITY_OK;
  }
  COMITY_TRY(send_piece(f, f->tree.parent, piece, i, request(f, f->out, 0, i)));
  add_digest(f, piece, i);
  return COMITY_OK;
}

/* A sum is whole when all of its parts were. */
static comity_status seal_up(flow *f) {
  for (int c = 0; c < f->tree.count && f->checked; c++)
    COMITY_TRY(receive_seal(f, f->tree.child[c], c)); /* behind the pieces: MPI keeps their order */
  for (int c = 0; c < f->tree.count && f->checked; c++)
    COMITY_TRY(check_seal(f, f->tree.child[c], f->tree.child[c + 1], c));
  if (is_root(f) || !f->checked)
    return COMITY_OK;
  COMITY_TRY(send_seal(f, f->tree.parent, 0));
  return comity_call_wait(f->call, &f->seal_out[0], f->tree.parent, f->tree.parent + 1);
}

static comity_status flow_up(sum_flow *s) {
  flow *f = &s->f;
  for (size_t i = 0; i < f->pieces; i++) {
    for (; may_open(f, i); f->open++)
      COMITY_TRY(begin_up(s, f->open));
    COMITY_TRY(pass_up(s, i));
  }
  for (size_t i = first_open(f); i < f->pieces && !is_root(f); i++)
    COMITY_TRY(wait_parent(f, f->out, i));
  return seal_up(f);
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
  return close_flow(f, flow_up(&s));
}

const comity_collectives comity_collectives_tree = {.name = "tree", .broadcast = broadcast, .sum = sum};
