#pragma once
// Which weight, number and temperature of neighbours need the fewest bits for text that
// the datastore does not hold: tried out on a grid, from what each item of that text was
// given by the model and what was near it. Torch-free. Thread-compatible.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/neighbours.h"

namespace strata {

class NeighbourTuning {
 public:
  // Sums over the items added.
  struct Bits {
    int64_t items = 0;
    double nats = 0;
    int64_t bytes = 0;      // of the text; specials count none
    double text_nats = 0;   // of the items that stand for bytes

    // An item that cost `of_nats` and stands for `of_bytes`.
    void Add(double of_nats, int64_t of_bytes) {
      ++items;
      nats += of_nats;
      bytes += of_bytes;
      if (of_bytes > 0) text_nats += of_nats;
    }
    double bits_per_byte() const;
    double loss() const;  // nats an item
  };

  // `nearest`: those of the datastore, nearest first. `log_p`: natural, of `next` by the
  // model alone. `bytes` that it stands for.
  void Add(absl::Span<const Neighbour> nearest, Item next, double log_p,
           int64_t bytes);

  // The best by bits per byte: weight 0 where neighbours are of no use, of equals the
  // first. `max_k` neighbours were looked for.
  NeighbourParams Best(int max_k) const;
  Bits Sum(const NeighbourParams& params) const;

 private:
  struct Case {
    double log_p = 0;
    int64_t bytes = 0;
    int64_t begin = 0;  // of its neighbours in `near_`
    int64_t end = 0;
  };
  struct Near {
    float distance = 0;
    bool hit = false;  // what came next there came here
  };

  // p_near of a case's item, for the first k of its neighbours.
  double Share(const Case& c, int k, double temperature) const;
  double MeanDistance() const;  // of the farthest neighbour looked for

  std::vector<Case> cases_;
  std::vector<Near> near_;
};

}  // namespace strata
