#pragma once
// A model served by LibTorch, on one device or several: a replica on each. A
// worker's generator runs on the device that its options name. Thread-safe.

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/decode/tensor/device_model.h"
#include "model/generator.h"
#include "model/model_config.h"
#include "model/safetensors.h"

namespace strata {

class TensorModel final : public LoadedModel {
 public:
  // `weights`: of every replica. REQUIRES: at least one device.
  static absl::StatusOr<std::shared_ptr<const TensorModel>> Create(
      const ModelConfig& config,
      const std::map<std::string, TensorView>& weights,
      const std::vector<torch::Device>& devices,
      torch::ScalarType type = torch::kFloat);

  const ModelConfig& config() const override { return replicas_[0]->config(); }
  // Of one replica.
  int64_t weight_bytes() const override { return replicas_[0]->weight_bytes(); }
  int64_t StateBytes(int64_t capacity) const override;
  std::string executor() const override;  // "tensor-cuda:0,cuda:1", "tensor-cuda:0-bf16-graphs"
  absl::StatusOr<std::unique_ptr<Generator>> NewGenerator(
      const GeneratorOptions& options) const override;

  DeviceModel& replica(int device) const { return *replicas_[device]; }

 private:
  TensorModel() = default;

  std::vector<std::unique_ptr<DeviceModel>> replicas_;
};

}  // namespace strata
