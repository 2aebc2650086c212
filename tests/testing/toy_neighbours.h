#pragma once
// ToyNeighbours: a datastore for tests of what stands above models. All that is near has
// one next item, which a hash of the hidden state decides: another state, place or row
// gives another.

#include <cstring>
#include <vector>

#include "model/base/random.h"
#include "model/neighbours.h"

namespace strata {

class ToyNeighbours final : public Neighbours {
 public:
  explicit ToyNeighbours(NeighbourParams defaults = {0.9, 4, 1})
      : defaults_(defaults) {}

  static Item Says(absl::Span<const float> hidden) {
    uint64_t hash = 1;
    for (const float value : hidden) {
      uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof(bits));
      hash = RandomBits(hash, 5, bits);
    }
    return static_cast<Item>('A' + hash % 26);
  }

  const NeighbourParams& defaults() const override { return defaults_; }
  int max_k() const override { return 8; }
  int64_t entries() const override { return 100; }
  int64_t bytes() const override { return 5000; }
  absl::string_view kind() const override { return "exact"; }
  absl::StatusOr<std::vector<Neighbour>> Find(absl::Span<const float> hidden,
                                              int k) const override {
    return std::vector<Neighbour>(k, {1, 0, Says(hidden)});
  }

 private:
  const NeighbourParams defaults_;
};

}  // namespace strata
