#pragma once
// The global norm of the gradients and clipping by it. LibTorch's clip_grad_norm_
// turns every gradient into NaN where one is not finite; here the norm is only
// reported, and the caller decides (model/train/non_finite.h).
// Thread-compatible.

#include <torch/torch.h>

#include <vector>

#include "model/train/adamw.h"

namespace strata {

// sqrt of the sum of squares of every gradient, accumulated in double and in one
// fixed order; NaN or infinity where a gradient is. Undefined ones count as 0.
double GlobalGradNorm(const std::vector<NamedParameter>& parameters);

// Scales the gradients so that a norm of `norm` becomes at most `limit`.
// REQUIRES: norm is finite. No effect where limit <= 0.
void ClipGradients(const std::vector<NamedParameter>& parameters, double norm,
                   double limit);

// False where a value of any of them is NaN or infinite.
bool AllFinite(const std::vector<NamedParameter>& tensors);

}  // namespace strata
