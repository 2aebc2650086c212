// LevelStep: what the level above says about a block, as items of the decoder before
// those of the block (model/decoder_places.h has the formula).

#include <algorithm>

#include "model/decode/level_step.h"

namespace strata {

// From skip to u in place, the last row first: none moves to an earlier row.
template <typename T>
void LevelStep<T>::AddPrefixes(int l) {
  const LevelConfig& level = level_config(l);
  LevelScratch<T>& s = scratch_[l];
  const int64_t dim = level.dim;
  const int64_t width = PaddedWidth(dim);
  const int64_t bridge_width = PaddedWidth(level.prefix * dim);
  const int64_t before = PrefixItems(level);
  auto& rows = s.stack_rows;
  SetStackRows(level, Stack::kDecoder, s, &rows);
  for (auto i = static_cast<int64_t>(rows.size()) - 1; i >= 0; --i) {
    const LevelRow<CpuSequence<T>>& row = s.rows[i];
    int64_t unit = row.unit + row.units;
    for (int64_t j = row.count - 1; j >= 0; --j) {
      const T* from = s.x.data() + (row.offset + j) * width;
      T* u = s.x.data() + rows[i].Of(level, row, j) * width;
      if (u != from) std::copy_n(from, dim, u);
      if (unit == row.unit || s.ends[unit - 1] != j) continue;
      const T* said = s.bridge.data() + --unit * bridge_width;
      for (int64_t d = 0; d < dim; ++d) u[d] += said[before * dim + d];
      for (int64_t r = 0; r < before; ++r) {
        std::copy_n(said + r * dim, dim, u - (before - r) * width);
      }
    }
  }
}

template class LevelStep<float>;
template class LevelStep<double>;

}  // namespace strata
