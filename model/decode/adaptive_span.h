#pragma once
// AdaptiveSpan: heads that learned how far back they look (Sukhbaatar et al.,
// 1905.07799; the formula is in model/nn/adaptive_span.h). Keys beyond a head's sight
// are not read at all. Terms of all distances in sight are computed once, at load.
// Immutable after construction.

#include <vector>

#include "model/decode/score_term.h"
#include "model/model_config.h"

namespace strata {

template <typename T>
class AdaptiveSpan final : public ScoreTerm<T> {
 public:
  // `items`: how many the level may hold.
  AdaptiveSpan(const LevelConfig& level, int64_t items, const LayerWeights<T>& layer);

  int64_t sight(int head) const override {
    return static_cast<int64_t>(terms_[head].size());
  }
  void Fill(int head, const T* q, const Distances& distances, T* scratch,
            T* out) const override;

 private:
  std::vector<std::vector<T>> terms_;  // [heads][distance]
};

extern template class AdaptiveSpan<float>;
extern template class AdaptiveSpan<double>;

}  // namespace strata
