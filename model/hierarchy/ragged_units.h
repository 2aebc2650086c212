#pragma once
// RaggedUnits: where the units of a batch lie when the bytes or a router decide
// (model/unit_rule.h): the index tensors with which a level pools them and hands
// what is said about them back to their items. Rows have different numbers of
// units; U is the most, and what lies behind a row's own is never read.
// Plain values; thread-compatible.

#include <torch/torch.h>

#include "model/model_config.h"

namespace strata {

struct RaggedUnits {
  torch::Tensor ends;        // [B, n] true: a unit ends with the item
  torch::Tensor last;        // [B, U] item with which unit j ends
  torch::Tensor first;       // [B, U + 1] context that unit j begins with
  torch::Tensor of_context;  // [B, n + 1] unit of the item that context i predicts
  torch::Tensor offset;      // [B, n + 1] of that item in its unit
};

// items [B, n] of int64; segments [B, n + 1], or undefined, as of
// HierarchicalTransformer. The tensors are on the device of `items`.
RaggedUnits CutUnits(const LevelConfig& level, const torch::Tensor& items,
                     const torch::Tensor& segments);
// The same where a router's wishes decide: [B, n] of bool.
RaggedUnits CutRoutedUnits(const LevelConfig& level, const torch::Tensor& wished,
                           const torch::Tensor& segments);

}  // namespace strata
