#pragma once
// TurnTables: how queries and keys of a level's items are turned and scaled by where
// they lie: cosines and sines, times the scheme's scale (model/position_scheme.h). Where
// nothing is turned, ones and zeros. Thread-compatible.

#include <torch/torch.h>

#include <vector>

#include "model/model_config.h"
#include "model/nn/rope.h"

namespace strata {

struct TurnTables {
  RopeTables q, k;

  TurnTables() = default;
  // The same for both.
  TurnTables(const RopeTables& both) : q(both), k(both) {}
};

// Of all items' tables, those of the items `at`, of any shape: [.., K / 2].
inline TurnTables RowsOf(const TurnTables& tables, const torch::Tensor& at) {
  const auto chosen = [&](const RopeTables& of) -> RopeTables {
    const auto flat = at.flatten();
    return {of.cos.index_select(0, flat).unflatten(0, at.sizes()),
            of.sin.index_select(0, flat).unflatten(0, at.sizes())};
  };
  TurnTables rows;
  rows.q = chosen(tables.q);
  rows.k = chosen(tables.k);
  return rows;
}

// Tables for items [0, n) of a level, kept and extended between calls.
class TurnCache {
 public:
  TurnCache(const ModelConfig& config, int level);
  TurnTables Get(int64_t n, const torch::TensorOptions& options);

 private:
  TurnTables Make(int64_t rows) const;  // in double

  const PositionScheme& scheme_;
  int64_t head_dim_;
  double theta_;
  std::vector<double> rates_;  // ScaleRates
  int64_t centre_;
  TurnTables cached_;
};

}  // namespace strata
