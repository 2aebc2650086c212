#pragma once
// ScoreTerm: what a position scheme makes of one layer's scores, beyond q k, by the
// distance of query and key (model/position_scheme.h). Immutable after construction,
// thread-safe.

#include <cstdint>
#include <limits>
#include <memory>

#include "model/decode/kernels.h"
#include "model/decode/packed_weights.h"
#include "model/model_config.h"

namespace strata {

// far, far - step, …
struct Distances {
  int64_t far = 0;
  int64_t step = 1;
  int64_t count = 0;

  int64_t at(int64_t n) const { return far - n * step; }
};

template <typename T>
class ScoreTerm {
 public:
  virtual ~ScoreTerm() = default;

  virtual ScoreRule rule() const { return ScoreRule::kAdd; }
  // Added to a head's query [K] before it is scaled; null: nothing.
  virtual const T* query_shift(int /*head*/) const { return nullptr; }
  // No key at this distance or beyond counts for a head.
  virtual int64_t sight(int /*head*/) const {
    return std::numeric_limits<int64_t>::max();
  }
  // Values of scratch that Fill needs.
  virtual int64_t scratch_values() const { return 0; }
  // out[n] := the term at the n-th of the distances, for the query q [K] of one head,
  // shifted and scaled.
  virtual void Fill(int head, const T* q, const Distances& distances, T* scratch,
                    T* out) const = 0;
};

// Of a layer with this scope; null where the level's scheme has none. `kernels` and
// the layer outlive it.
template <typename T>
std::unique_ptr<ScoreTerm<T>> MakeScoreTerm(const ModelConfig& config, int level,
                                            Scope scope,
                                            const LayerWeights<T>& layer,
                                            const Kernels<T>& kernels);

}  // namespace strata
