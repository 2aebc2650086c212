#pragma once
// RelativeTerm: a vector t[d] for each distance that is told apart, beside the keys.
//
//   ((q + u) k + (q + w) t[clip(d)]) / sqrt(K)
//
//   shaw            t learned, [distances, K], the same for all heads; u = w = 0
//   transformer-xl  t[d] = W [cos(d theta^(-2m/D)), sin(..)], m < D/2, so [heads, K] a
//                   distance; u, w learned
//
// The table t is made once, at load. With Q = (q + u) / sqrt(K), which meets the keys,
// the term is Q t[d] + (w - u) t[d] / sqrt(K); the last part is a constant. One product
// of Q with all distances up to the farthest, by the kernel whose sums do not depend on
// how many there are. Immutable after construction.

#include <vector>

#include "model/decode/score_term.h"
#include "model/position_shape.h"

namespace strata {

template <typename T>
class RelativeTerm final : public ScoreTerm<T> {
 public:
  RelativeTerm(const LevelConfig& level, double theta, Scope scope,
               const LayerWeights<T>& layer, const Kernels<T>& kernels);

  const T* query_shift(int head) const override;
  int64_t scratch_values() const override { return PaddedWidth(rows_.rows()); }
  void Fill(int head, const T* q, const Distances& distances, T* scratch,
            T* out) const override;

 private:
  // W's rows of all heads with the sinusoids: [rows, D].
  std::vector<double> Projected(const std::vector<T>& matrix,
                                double theta) const;
  // `vectors` [rows, tables * K] as a table of panels for each head, or for all.
  void Pack(const std::vector<double>& vectors, int64_t tables);

  const int64_t dim_, width_;
  const DistanceRows rows_;
  const Kernels<T>& kernels_;
  std::vector<std::vector<T>> tables_;  // [panels][K][kPanel] each
  std::vector<T> shift_;                // u [D], or empty
  std::vector<T> constant_;             // [heads][rows], or empty
};

extern template class RelativeTerm<float>;
extern template class RelativeTerm<double>;

}  // namespace strata
