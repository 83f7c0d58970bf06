/* Topology: who passes what on to whom, and in pieces of which size. Pure functions of the number of members
 * and of bytes, so that all members agree without asking. */
#include "comm_impl.h"

enum { CHAIN_MEMBERS = 4, PIECES_PER_LEVEL = 4, SMALLEST_PIECE = 32 << 10 };

/* The children of the root of [first, end): equal shares of what is below it. */
static void split(comity_tree *tree, int first, int end, int fan_out) {
  int below = end - first - 1;
  tree->count = below < fan_out ? below : fan_out;
  for (int i = 0, at = first + 1; i < tree->count; i++) {
    tree->child[i] = at;
    at += below / tree->count + (i < below % tree->count);
  }
  tree->child[tree->count] = end;
}

comity_tree comity_tree_at(int place, int linked, int size, int fan_out) {
  comity_tree tree = {.parent = -1};
  if (place >= linked) {
    tree.parent = 0;
    tree.child[0] = place + 1;
    return tree;
  }
  split(&tree, 0, linked, fan_out);
  for (int at = 0; at != place;) {
    int i = tree.count - 1;
    while (tree.child[i] > place)
      i--;
    tree.parent = at;
    at = tree.child[i];
    split(&tree, at, tree.child[i + 1], fan_out);
  }
  for (int single = linked; place == 0 && single < size; single++)
    tree.child[++tree.count] = single + 1;
  return tree;
}

int comity_tree_depth(int size, int fan_out) {
  int depth = 0;
  for (int below = size - 1; below > 0; depth++) /* the first subtree is never the smaller one */
    below = (below + fan_out - 1) / fan_out - 1;
  return depth;
}

/* A chain moves every byte once over every link, a binary tree twice over those of inner members but with far
 * fewer steps. */
int comity_tree_fan_out(int size, size_t bytes, size_t most) {
  if (bytes <= COMITY_COMM_SHORT && bytes <= most)
    return COMITY_TREE_WIDE;
  return size <= CHAIN_MEMBERS ? 1 : COMITY_TREE_BINARY;
}

/* Enough pieces that filling the tree takes a small part of the time, but none so small that its handshake
 * costs more than its bytes. */
size_t comity_tree_piece(int size, size_t bytes, size_t most) {
  if (bytes <= COMITY_COMM_SHORT && bytes <= most)
    return COMITY_COMM_SHORT;
  int depth = comity_tree_depth(size < 2 ? 2 : size, comity_tree_fan_out(size, bytes, most));
  size_t piece = bytes / (size_t)(PIECES_PER_LEVEL * depth) / 64 * 64;
  piece = piece < SMALLEST_PIECE ? SMALLEST_PIECE : piece;
  return piece < most ? piece : most;
}
