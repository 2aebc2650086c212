#pragma once
// Which of a chunk's keys each of its queries sees: the scope's rule
// (model/scope_rule.h) in the order of an AttentionPlan's chunks, joined with "same
// document". Thread-safe.

#include <torch/torch.h>

#include "model/nn/attention_plan.h"
#include "model/scope_rule.h"

namespace strata {

// Chooses the plan's kept items, then returns [batch or 1, chunks, chunk, keys] of
// bool. A padding query sees itself, so that no row is empty. `segments`: [batch, n],
// or undefined. REQUIRES: a plan whose fold is chosen.
torch::Tensor MakeKeyMask(const ScopeSpec& spec, const torch::Tensor& segments,
                          const torch::Tensor& before, const torch::Device& device,
                          AttentionPlan* plan);

}  // namespace strata
