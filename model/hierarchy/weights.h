#pragma once
// Between a module's parameters and safetensors files. Names are the registered
// parameter names, which are the tensor names of model/README.md. Strict: a
// tensor that is unknown, missing, misshapen or not finite is an error that
// names it, and then no parameter has changed. Thread-compatible.

#include <torch/torch.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/safetensors.h"

namespace strata {

// Views of the bytes of `storage`, which must live as long as they are used.
struct NamedTensors {
  std::vector<torch::Tensor> storage;  // contiguous, CPU
  std::vector<NamedTensor> views;
};

// Copies (CPU, type kept: fp32 or fp64) of named torch tensors.
absl::StatusOr<NamedTensors> ToNamedTensors(
    const std::vector<std::pair<std::string, torch::Tensor>>& tensors);
absl::StatusOr<NamedTensors> ToNamedTensors(const torch::nn::Module& module);

// Fills every parameter; fp32, fp64 and bf16 are converted to the parameter's
// type. INVALID_ARGUMENT names the tensor.
absl::Status LoadNamedTensors(const std::map<std::string, TensorView>& tensors,
                              torch::nn::Module* module);

// A tensor's bytes as a torch tensor of its own type (a copy).
absl::StatusOr<torch::Tensor> TensorFromView(const TensorView& view);

// Writes the parameters to `path`, with `config_hash` as metadata: of what, beside
// shapes, decides how they are used.
absl::Status SaveModuleWeights(const torch::nn::Module& module,
                               const std::string& config_hash,
                               const std::string& path);
// INVALID_ARGUMENT also when the file was written with another hash.
absl::Status LoadModuleWeights(const std::string& path,
                               const std::string& config_hash,
                               torch::nn::Module* module);

// Writes `path`, with the hash of the config's shape-giving part as metadata.
absl::Status SaveModelWeights(const HierarchicalTransformer& model,
                              const std::string& path);
// INVALID_ARGUMENT also when the file was written for another architecture.
absl::Status LoadModelWeights(const std::string& path,
                              HierarchicalTransformer* model);

}  // namespace strata
