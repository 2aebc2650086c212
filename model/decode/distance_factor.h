#pragma once
// DistanceFactor: the scores of distance-aware attention (Wu et al., 2010.06925).
//
//   max(q k, 0) / sqrt(K) * f(|d|)     f(r) = (1 + e^b) / (1 + e^(b - a r))
//
// a and b are learned, per head and layer: f(0) = 1; with a > 0 far keys count for up
// to 1 + e^b times as much, with a < 0 they fade to a score of 0. Factors of near keys
// are computed once, at load. Immutable after construction.

#include <vector>

#include "model/decode/score_term.h"

namespace strata {

template <typename T>
class DistanceFactor final : public ScoreTerm<T> {
 public:
  // `items`: how many the level may hold.
  DistanceFactor(int64_t items, const LayerWeights<T>& layer);

  ScoreRule rule() const override { return ScoreRule::kFactor; }
  void Fill(int head, const T* q, const Distances& distances, T* scratch,
            T* out) const override;

 private:
  T Factor(int head, int64_t distance) const;

  const std::vector<T> slope_, offset_;  // [heads]
  const int64_t near_;
  std::vector<T> factors_;  // [heads][near_]
};

extern template class DistanceFactor<float>;
extern template class DistanceFactor<double>;

}  // namespace strata
