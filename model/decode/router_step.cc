// LevelStep: where a router ends units, and how the contexts that follow are mixed with
// those before (model/nn/router.h has the formula).

#include <algorithm>
#include <cmath>

#include "model/decode/level_step.h"

namespace strata {
namespace {

// One order of summation whatever the batch.
template <typename T>
T EndProbability(const T* query, const T* key, int64_t dim) {
  T dot = 0, queries = 0, keys = 0;
  for (int64_t d = 0; d < dim; ++d) {
    dot += query[d] * key[d];
    queries += query[d] * query[d];
    keys += key[d] * key[d];
  }
  const T norms = std::max(queries * keys, static_cast<T>(kLeastRouterNorms));
  return (T(1) - dot / std::sqrt(norms)) / T(2);
}

}  // namespace

// Decides by h, which is in `x`, and plans the levels above anew.
template <typename T>
void LevelStep<T>::Route(int l) {
  LevelScratch<T>& s = scratch_[l];
  const int64_t dim = level_config(l).dim;
  const int64_t width = PaddedWidth(2 * dim);
  MatMul(s.x.data(), PaddedWidth(dim), s.items, model_->weights().levels[l].router,
         s.qkv.data(), width, Epilogue::kStore);
  s.wished.assign(static_cast<size_t>(s.items), 0);
  s.end_p.assign(static_cast<size_t>(s.items), T(0));
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    const T* query = row.sequence->RouterQuery(l);
    for (int64_t j = 0; j < row.count; ++j) {
      const int64_t at = row.offset + j;
      const T* both = s.qkv.data() + at * width;
      if (row.begin + j > 0) s.end_p[at] = EndProbability(query, both + dim, dim);
      s.wished[at] = s.end_p[at] >= T(kRouterEven);
      query = both;
    }
    std::copy_n(query, dim, row.sequence->RouterQuery(l));
  }
  Reroute<CpuSequence<T>>(
      model_->config(), s.wished,
      [this](int level) -> LevelBatch<CpuSequence<T>>& { return scratch_[level]; });
  for (int above = l + 1; above <= top(); ++above) {
    if (HasTree(above)) PlanTree(above);
  }
}

// Of a bridge without a bias it is the same whether contexts or what it makes of them
// are mixed.
template <typename T>
void LevelStep<T>::SmoothContexts(int l) {
  LevelScratch<T>& s = scratch_[l];
  const int64_t values = BridgeRows(level_config(l)) * level_config(l).dim;
  for (const LevelRow<CpuSequence<T>>& row : s.rows) {
    const T* before = row.sequence->Context(l);
    for (int64_t unit = row.unit; unit < row.unit + row.units; ++unit) {
      T* context = s.bridge.data() + unit * PaddedWidth(values);
      const T share = std::max(s.end_p[row.offset + s.ends[unit]], T(kRouterEven));
      for (int64_t d = 0; d < values; ++d) {
        context[d] = share * context[d] + (T(1) - share) * before[d];
      }
      before = context;
    }
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
