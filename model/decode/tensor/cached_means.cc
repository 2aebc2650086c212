#include "model/decode/tensor/cached_means.h"

#include <algorithm>

#include "model/nn/upload.h"

namespace strata {
namespace {

// What turns and scales a key of item i into one of item i + steps, for rate - 1 steps
// down to none. Tables of keys hold an item's scale; what is one item's is the first's.
RopeTables Further(const RopeTables& keys, int64_t rate) {
  const auto of = [&](const torch::Tensor& table) {
    return (table.narrow(0, 0, rate) / keys.cos.narrow(0, 0, 1)).flip(0);
  };
  return {of(keys.cos), of(keys.sin)};
}

}  // namespace

CachedMeans::CachedMeans(const ScopeSpec& spec, int64_t past,
                         const std::vector<Row>& rows, const TurnTables& turns)
    : rows_(static_cast<int64_t>(rows.size())), rate_(spec.rate) {
  std::vector<std::vector<int64_t>> firsts;  // items that begin the runs
  for (const Row& row : rows) {
    std::vector<int64_t>& of_row = firsts.emplace_back();
    for (int64_t i = row.begin; i < row.begin + row.count; ++i) {
      const int64_t first = i - spec.window;
      if (first >= 0 && first % rate_ == 0) of_row.push_back(first);
    }
    most_ = std::max(most_, static_cast<int64_t>(of_row.size()));
  }
  if (most_ == 0) return;
  std::vector<int64_t> columns(rows_ * most_ * rate_, 0);
  places_.assign(rows_ * most_, -1);
  for (int64_t b = 0; b < rows_; ++b) {
    for (size_t m = 0; m < firsts[b].size(); ++m) {
      const int64_t at = b * most_ + static_cast<int64_t>(m);
      places_[at] = firsts[b][m] + rate_ - 1;
      for (int64_t r = 0; r < rate_; ++r) {
        const int64_t item = firsts[b][m] + r;
        columns[at * rate_ + r] =
            item < rows[b].begin ? rows[b].raw_column + item - rows[b].raw_begin
                                 : past + item - rows[b].begin;
      }
    }
  }
  columns_ = Upload(columns, turns.k.cos.device()).view({rows_, most_ * rate_});
  further_ = Further(turns.k, rate_);
}

torch::Tensor CachedMeans::Runs(const torch::Tensor& x) const {
  const auto index = columns_.unsqueeze(-1).unsqueeze(-1).expand(
      {-1, -1, x.size(2), x.size(3)});
  return x.gather(1, index).view({rows_, most_, rate_, x.size(2), x.size(3)});
}

torch::Tensor CachedMeans::Keys(const torch::Tensor& x) const {
  return ApplyRope(Runs(x).flatten(0, 1), further_)
      .unflatten(0, {rows_, most_})
      .mean(2);
}

}  // namespace strata
