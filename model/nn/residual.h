#pragma once
// Dropout and the residual sum. Rate 0 draws nothing. Draws come from the
// process's default generator: in training the trainer is its only user.

#include <torch/torch.h>

namespace strata {

// x with each element zeroed with probability `rate`, the others scaled by
// 1 / (1 - rate).
torch::Tensor Dropped(const torch::Tensor& x, double rate);

// x + Dropped(update, rate).
torch::Tensor AddDropped(const torch::Tensor& x, const torch::Tensor& update,
                         double rate);

// The seed of a mask, drawn from the default generator; and both of the above by such a
// seed, the same as often as they are computed.
uint64_t DropoutSeed();
torch::Tensor Dropped(const torch::Tensor& x, double rate, uint64_t seed);
torch::Tensor AddDropped(const torch::Tensor& x, const torch::Tensor& update,
                         double rate, uint64_t seed);

}  // namespace strata
