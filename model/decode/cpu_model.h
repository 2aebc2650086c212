#pragma once
// A loaded model: weights, kernels, angle tables, and the state in which every
// sequence begins. Immutable after Create, shared by all workers.
// T is float in the product; double lets tests state equality to 1e-12.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/decode/cpu_options.h"
#include "model/decode/cpu_sequence.h"
#include "model/decode/entrance_table.h"
#include "model/decode/kernels.h"
#include "model/decode/packed_weights.h"
#include "model/decode/score_term.h"
#include "model/decode/turn_table.h"
#include "model/generator.h"
#include "model/model_config.h"
#include "model/safetensors.h"

namespace strata {

template <typename T>
class CpuModel final : public LoadedModel {
 public:
  // REQUIRES: `config` passed ValidateModelConfig; full types where T is double.
  static absl::StatusOr<std::shared_ptr<const CpuModel>> Create(
      const ModelConfig& config,
      const std::map<std::string, TensorView>& tensors,
      const CpuModelOptions& options = {});

  const ModelConfig& config() const override { return config_; }
  // Of the stacks by number: levels, then streams (model/stream_levels.h).
  const LevelConfig& level(int l) const { return levels_[l]; }
  int stacks() const { return static_cast<int>(levels_.size()); }
  int64_t weight_bytes() const override { return weights_.bytes; }
  int64_t StateBytes(int64_t capacity) const override {
    const ValueBytes bytes = CpuSequence<T>::ValueBytesOf(options_.cache);
    return strata::StateBytes(config_, capacity, bytes) +
           RewindBytes(config_, bytes);
  }
  std::string executor() const override;
  int drafts() const override { return MostDrafts(config_); }
  absl::StatusOr<std::unique_ptr<Generator>> NewGenerator(
      const GeneratorOptions& options) const override;

  WeightType weight_type() const { return options_.weights; }
  // Of keys and values.
  CacheType cache_type() const { return options_.cache; }
  CacheType cache_type(int level) const {
    return CpuSequence<T>::TypeOf(levels_[level], options_.cache);
  }
  const ModelWeights<T>& weights() const { return weights_; }
  const Kernels<T>& kernels() const { return *kernels_; }
  const TurnTable& rope(int level) const { return positions_[level].turns; }
  // Null where the level's scheme adds nothing.
  const EntranceTable<T>* entrance(int level) const {
    return positions_[level].entrance.get();
  }
  // `layer`: as the stack runs them.
  const ScoreTerm<T>* term(int level, Stack stack, int layer) const {
    const LevelPositions& of = positions_[level];
    const auto& terms = stack == Stack::kEncoder ? of.enc : of.dec;
    return terms[layer % terms.size()].get();
  }
  // The state before the first item: position 0 of every level (u[0], which
  // depends on the weights alone) has been decoded.
  const CpuSequence<T>& origin() const { return *origin_; }

 private:
  // What a level's position scheme needs.
  struct LevelPositions {
    TurnTable turns;
    std::unique_ptr<EntranceTable<T>> entrance;
    std::vector<std::unique_ptr<ScoreTerm<T>>> enc, dec;  // per layer, or null
  };

  CpuModel(const ModelConfig& config, ModelWeights<T> weights,
           const CpuModelOptions& options);
  // Of stack l, which `config` has as its level `of`.
  LevelPositions MakePositions(int l, const ModelConfig& config, int of) const;

  const ModelConfig config_;
  const std::vector<LevelConfig> levels_;
  const CpuModelOptions options_;
  const ModelWeights<T> weights_;
  const Kernels<T>* const kernels_;
  std::vector<LevelPositions> positions_;
  std::unique_ptr<CpuSequence<T>> origin_;
};

extern template class CpuModel<float>;
extern template class CpuModel<double>;

}  // namespace strata
