#pragma once
// Models and data that the property tests share.

#include <torch/torch.h>

#include <string>
#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/model_config.h"

namespace strata::testing {

// The presets' small sizes, a model of three levels (blocks of 4 and 3, an encoder
// on the middle level too) that no preset has, one of every position scheme and scope,
// those of kOptionFamilies, and RandomConfigs() random ones.
std::vector<std::string> TestedModels();
ModelConfig TestedConfig(const std::string& name);

// Evaluation mode; matrices times three, so that no influence is too weak to
// be seen, and of heads that learn how far they look the first as far as it may. Nobody
// leaves it early.
HierarchicalTransformer SharpModel(const ModelConfig& config,
                                   torch::ScalarType type,
                                   ShadowFaults faults = {});

// The same function with a layer for every run of one: takes the vectors of the repeats
// out of `model`, which it also leaves without.
HierarchicalTransformer Unrolled(HierarchicalTransformer model);

// A model of another config, in double, with weights of `model`, which has them all.
HierarchicalTransformer WeightsIn(const ModelConfig& config,
                                  HierarchicalTransformer model);

// [batch, n] bytes, a function of the seed.
torch::Tensor RandomBytes(int64_t batch, int64_t n, uint64_t seed);

// The largest absolute value.
double Largest(const torch::Tensor& x);

// A copy of [1, n] items with another byte at j.
torch::Tensor Perturbed(const torch::Tensor& items, int64_t j);

}  // namespace strata::testing
