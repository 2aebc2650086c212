#pragma once
// What the keys of a stack stand for (InspectedStack::keys), made of the items of its
// level. Pure functions.

#include <vector>

#include "model/inspect/level_items.h"
#include "model/inspector.h"
#include "model/model_config.h"
#include "model/tree_nodes.h"

namespace strata {

// The positions of a stack over these items.
std::vector<AttendedKey> EncoderPositions(const LevelItems& items);
std::vector<AttendedKey> DecoderPositions(const LevelConfig& level, const LevelItems& items);
// `places`: DecoderPositions of the stream's base.
std::vector<AttendedKey> StreamPositions(const StreamConfig& stream,
                                         const std::vector<AttendedKey>& places);

// Adds the tree's nodes; a node stands for all that its positions have read.
void AddNodes(const TreeShape& tree, std::vector<AttendedKey>* keys);

// Adds the contexts of the level above: one a unit of these items, and that of the unit
// to come.
void AddContexts(const LevelItems& items, std::vector<AttendedKey>* keys);

}  // namespace strata
