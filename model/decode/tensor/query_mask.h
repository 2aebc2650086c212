#pragma once
// QueryMask: which of the keys at hand each query sees, by its scope's rule. A pure
// function, thread-safe.

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "model/scope_rule.h"

namespace strata {

// `queries`: [batch * count] positions; `key`: [batch, 1, keys] positions, -1: none.
// `is_mean`: which keys are means (model/scope_compressive.cc), shaped as they are, or
// undefined: none. Returns [batch, 1, count, keys] of bool.
torch::Tensor QueryMask(const ScopeSpec& spec, const std::vector<int64_t>& queries,
                        const torch::Tensor& key, const torch::Tensor& is_mean = {});

}  // namespace strata
