#pragma once
// The tree scope's part of the availability pass (model/availability.h): sets
// flow through leaves and nodes as the tensors do, by model/tree_nodes.h. Pure
// functions, thread-safe.

#include "model/key_unions.h"
#include "model/tree_nodes.h"

namespace strata {

// What reaches each item of one layer: out[i] = the union of sets[k] over the
// items k of its leaf up to itself, and of the nodes that it sees. Sets are bits
// in equally many words. `node_early` plants a fault: the nodes of the next leaf,
// its own among them, where they exist.
ItemSets TreeUnions(const ItemSets& sets, const TreeShape& tree, bool node_early);

}  // namespace strata
