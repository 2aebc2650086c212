#pragma once
// The part of streams in the availability pass (model/availability.h): sets flow through
// their items as the tensors do (model/stream_levels.h). Single owner thread.

#include <vector>

#include "model/key_unions.h"
#include "model/model_config.h"

namespace strata {

class StreamUnions {
 public:
  // Of what enters the base's decoder, by place. `item_early` plants a fault: a place
  // sees the item after its own already before that item's place. `base` must outlive it.
  StreamUnions(const LevelConfig& base, const ItemSets& u, bool item_early);

  // When the base has passed a layer: the streams do, and each place joins the newest
  // item of each.
  void AfterLayer(ItemSets* u);

 private:
  const LevelConfig& base_;
  const bool item_early_;
  std::vector<ItemSets> items_;  // by stream
};

// Whether one of them sees its whole past: between one item and the next it misses none.
bool StreamsSeeAll(const LevelConfig& base);

}  // namespace strata
