#pragma once
// CachedMeans: the means that the new items of a group of rows see for the first time
// (model/scope_compressive.cc), made of keys and values that are cached or new. Keys are
// turned as the places of their own items say; a mean's as that of its last item.
// Thread-compatible.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/nn/turn_tables.h"
#include "model/scope_rule.h"

namespace strata {

class CachedMeans {
 public:
  // A row's keys are the cached ones, of which items [raw_begin, begin) stand from
  // column `raw_column` on, and then, from column `past` on, the new ones, `count` from
  // item `begin` on. Rows of a group have equal counts; call in their order.
  struct Row {
    int64_t begin = 0;
    int64_t count = 0;
    int64_t raw_begin = 0;
    int64_t raw_column = 0;
  };
  CachedMeans(const ScopeSpec& spec, int64_t past, const std::vector<Row>& rows,
              const TurnTables& turns);

  int64_t most() const { return most_; }  // of a row
  // The place of each mean, [rows][most]; -1 where a row has fewer.
  const std::vector<int64_t>& places() const { return places_; }
  // Of x [rows, columns, H, K]: [rows, most, H, K]. Keys are turned.
  torch::Tensor Keys(const torch::Tensor& x) const;
  torch::Tensor Values(const torch::Tensor& x) const { return Runs(x).mean(2); }

 private:
  // [rows, most, rate, H, K]
  torch::Tensor Runs(const torch::Tensor& x) const;

  int64_t rows_;
  int64_t rate_;
  int64_t most_ = 0;
  std::vector<int64_t> places_;
  torch::Tensor columns_;  // [rows, most * rate]
  RopeTables further_;     // [rate, K / 2], of the items from each to the last
};

}  // namespace strata
