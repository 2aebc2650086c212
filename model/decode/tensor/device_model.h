#pragma once
// DeviceModel: one model's replica on one device: the differentiable model's own
// modules in evaluation mode, angle tables, the pool of decoding states, and the
// state in which every sequence begins. One lock serialises what touches the
// device, so several workers may share it; the engine gives each device one.

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/base/mutex.h"
#include "model/decode/tensor/state_pool.h"
#include "model/decode/tensor/tensor_sequence.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/model_config.h"
#include "model/nn/turn_tables.h"

namespace strata {

class DeviceModel {
 public:
  // Takes `net`, which moves to `device`. `type`: kFloat in the product; kDouble
  // lets tests state equality to 1e-12. RESOURCE_EXHAUSTED without memory.
  static absl::StatusOr<std::unique_ptr<DeviceModel>> Create(
      HierarchicalTransformer net, const torch::Device& device,
      torch::ScalarType type);

  const ModelConfig& config() const { return config_; }
  // Of the stacks by number: levels, then streams (model/stream_levels.h).
  const LevelConfig& level(int l) const { return levels_[l]; }
  int stacks() const { return static_cast<int>(levels_.size()); }
  int64_t value_bytes() const;
  int64_t weight_bytes() const;
  const torch::Device& device() const { return device_; }

  // These two take the lock. A sequence before its first item; REQUIRES: a
  // capacity in range.
  absl::StatusOr<std::unique_ptr<TensorSequence>> NewSequence(
      int64_t capacity);
  // Copies one state into another, which has room for its items.
  absl::Status Copy(const TensorSequence& from, TensorSequence* to);

  Mutex& mutex() { return mutex_; }
  // The rest: with the lock held.
  HierarchicalTransformerImpl& net() { return *net_; }
  StatePool& pool() { return pool_; }
  // How every item of a level is turned: [items, K / 2].
  const TurnTables& turns(int level) const { return turns_[level]; }
  // Numbers of the host as a tensor on the device.
  torch::Tensor Upload(const std::vector<int64_t>& values) const;

 private:
  DeviceModel(HierarchicalTransformer net, const torch::Device& device,
              torch::ScalarType type);
  void MakeOrigin();
  // Newest items of a stream that a sequence keeps; 0 of a level.
  int64_t SaidRows(int l) const;

  const ModelConfig config_;
  const std::vector<LevelConfig> levels_;
  const torch::Device device_;
  HierarchicalTransformer net_;
  std::vector<TurnTables> turns_;
  Mutex mutex_;
  StatePool pool_;
  // Per level, the rows that every sequence begins with, as OriginRows names
  // them.
  std::vector<torch::Tensor> origin_;
};

}  // namespace strata
