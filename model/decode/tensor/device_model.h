#pragma once
// DeviceModel: one model's replica on one device: the differentiable model's own
// modules in evaluation mode, angle tables, the pool of decoding states, and the
// state in which every sequence begins. One lock serialises what touches the
// device, so several workers may share it; the engine gives each device one. On a GPU all
// of it happens on one stream of high priority, so that whatever else uses the device
// comes behind.

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/base/mutex.h"
#include "model/decode/tensor/device_stream.h"
#include "model/decode/tensor/state_pool.h"
#include "model/decode/tensor/tensor_sequence.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/model_config.h"
#include "model/nn/turn_tables.h"

namespace strata {

class Recorder;
class ReplayStep;
struct TensorRow;

struct ReplayOptions {
  // Of states that are there from the start: recordings are of no use once the pool has
  // grown.
  int64_t reserve_bytes = 0;
  // Recorded at once, the rest as it is needed: steps of so many rows that look at so many
  // cached keys.
  int64_t rows = 64;
  int64_t keys = 512;
};

class DeviceModel {
 public:
  // Takes `net`, which moves to `device`. `type`: of weights, states and sums: kFloat,
  // kBFloat16 where it was asked for; kDouble lets tests state equality to 1e-12.
  // RESOURCE_EXHAUSTED without memory.
  static absl::StatusOr<std::unique_ptr<DeviceModel>> Create(
      HierarchicalTransformer net, const torch::Device& device,
      torch::ScalarType type);
  ~DeviceModel();

  // From now on steps of one item a row are recorded and replayed
  // (model/decode/tensor/replay_step.h), once that has given on this device what the step
  // as it is gives. FAILED_PRECONDITION where the model
  // is not covered or a recording failed, INTERNAL where it computes something else: then
  // nothing is recorded. Takes the lock; before any other thread has the model.
  absl::Status StartReplay(std::unique_ptr<Recorder> recorder,
                           const ReplayOptions& options);

  const ModelConfig& config() const { return config_; }
  // Of the stacks by number: levels, then streams (model/stream_levels.h).
  const LevelConfig& level(int l) const { return levels_[l]; }
  int stacks() const { return static_cast<int>(levels_.size()); }
  int64_t value_bytes() const;
  int64_t weight_bytes() const;
  const torch::Device& device() const { return device_; }
  // Of weights and states.
  const torch::TensorOptions& options() const { return options_; }
  torch::ScalarType dtype() const { return c10::typeMetaToScalarType(options_.dtype()); }
  // Where all that is asked of the device goes.
  const DeviceStream& stream() const { return *stream_; }

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
  // Or null; set before another thread has the model, and never again.
  ReplayStep* replay() const { return replay_.get(); }
  // How every item of a level is turned: [items, K / 2], in fp32 at least.
  const TurnTables& turns(int level) const { return turns_[level]; }
  // Numbers of the host as a tensor on the device.
  torch::Tensor Upload(const std::vector<int64_t>& values) const;

 private:
  DeviceModel(HierarchicalTransformer net, const torch::Device& device,
              torch::ScalarType type, std::unique_ptr<DeviceStream> stream);
  void MakeOrigin();
  // start_replay.cc
  std::vector<int64_t> RowsOfStates(int64_t bytes) const;
  void StopReplay();
  absl::Status CheckReplay(const ReplayOptions& options);
  // One step both ways: the same logits?
  absl::Status CheckStep(absl::Span<const TensorRow> recorded,
                         absl::Span<const TensorRow> plain);
  // Newest items of a stream that a sequence keeps; 0 of a level.
  int64_t SaidRows(int l) const;

  const ModelConfig config_;
  const std::vector<LevelConfig> levels_;
  const torch::Device device_;
  const torch::TensorOptions options_;
  const std::unique_ptr<const DeviceStream> stream_;
  HierarchicalTransformer net_;
  std::vector<TurnTables> turns_;
  Mutex mutex_;
  StatePool pool_;
  // Per level, the rows that every sequence begins with, as OriginRows names
  // them.
  std::vector<torch::Tensor> origin_;
  std::unique_ptr<ReplayStep> replay_;
};

}  // namespace strata
