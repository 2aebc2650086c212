#include "model/decode/cpu_model.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decode/cpu_generator.h"
#include "model/decode/level_step.h"
#include "model/decode/step_check.h"
#include "model/decode/thread_pool.h"
#include "model/stream_levels.h"

namespace strata {

template <typename T>
CpuModel<T>::CpuModel(const ModelConfig& config, ModelWeights<T> weights,
                      const CpuModelOptions& options)
    : config_(config),
      levels_(StackLevels(config)),
      options_(options),
      weights_(std::move(weights)),
      kernels_(&SelectKernels<T>()) {
  const int own = static_cast<int>(config_.levels.size());
  for (int l = 0; l < own; ++l) positions_.push_back(MakePositions(l, config_, l));
  for (int l = own; l < stacks(); ++l) {
    const StreamConfig& stream = config_.levels[0].streams[l - own];
    positions_.push_back(MakePositions(l, StreamModel(config_, stream), 0));
  }
}

template <typename T>
auto CpuModel<T>::MakePositions(int l, const ModelConfig& config, int of) const
    -> LevelPositions {
  const LevelConfig& level = levels_[l];
  const LevelWeights<T>& w = weights_.levels[l];
  LevelPositions made = {TurnTable(config, of),
                         MakeEntranceTable<T>(config, of, w), {}, {}};
  for (const LayerWeights<T>& layer : w.enc) {
    made.enc.push_back(
        MakeScoreTerm<T>(config, of, level.enc_scope, layer, *kernels_));
  }
  for (const LayerWeights<T>& layer : w.dec) {
    made.dec.push_back(
        MakeScoreTerm<T>(config, of, level.dec_scope, layer, *kernels_));
  }
  return made;
}

template <typename T>
absl::StatusOr<std::shared_ptr<const CpuModel<T>>> CpuModel<T>::Create(
    const ModelConfig& config,
    const std::map<std::string, TensorView>& tensors,
    const CpuModelOptions& options) {
  STRATA_ASSIGN_OR_RETURN(ModelWeights<T> weights,
                          PackWeights<T>(config, tensors, options.weights));
  std::shared_ptr<CpuModel> model(
      new CpuModel(config, std::move(weights), options));
  STRATA_ASSIGN_OR_RETURN(model->origin_,
                          CpuSequence<T>::Allocate(&model->config_, 1, options.cache));
  ThreadPool alone(1);
  LevelStep<T> step(model.get(), &alone);
  STRATA_RETURN_IF_ERROR(step.Prime(model->origin_.get()));
  return std::shared_ptr<const CpuModel>(std::move(model));
}

template <typename T>
std::string CpuModel<T>::executor() const {
  const char* full = sizeof(T) == sizeof(float) ? "fp32" : "fp64";
  return absl::StrCat("cpu-", kernels_->name, "-",
                      WeightTypeName(options_.weights, full), "-kv-",
                      CacheTypeName(options_.cache, full));
}

template <typename T>
absl::StatusOr<std::unique_ptr<Generator>> CpuModel<T>::NewGenerator(
    const GeneratorOptions& options) const {
  STRATA_RETURN_IF_ERROR(CheckGeneratorOptions(options));
  return std::make_unique<CpuGenerator<T>>(this, options.threads);
}

template class CpuModel<float>;
template class CpuModel<double>;

}  // namespace strata
