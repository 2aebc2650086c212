#pragma once
// Initial weights, a function of (config, seed) alone.
//
//   matrices                     normal, std 0.55 / sqrt(fan-in): 0.02 at 768
//   matrices that end a residual the same / sqrt(2 * layers of the stack)
//   embedding, table of words    normal, std 0.02
//   start, pool.query, offset,   normal, std 0.02
//   global items
//   of positions, but matrices   normal, std 0.02; spans 0
//   norms                        1
//   centroids of clusters        directions, uniform
//   bias of a gate, of halting   2, 1; threshold of exits: kNoExit

#include <torch/torch.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "model/model_config.h"

namespace strata {

// The rule for any module whose parameters are named alike. `stack_layers`: how
// many layers the stack has that a parameter which ends a residual belongs to.
void InitParameters(
    uint64_t seed,
    absl::FunctionRef<int(const std::string& name)> stack_layers,
    torch::nn::Module* model);

void InitWeights(const ModelConfig& config, uint64_t seed,
                 torch::nn::Module* model);

}  // namespace strata
