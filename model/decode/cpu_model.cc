#include "model/decode/cpu_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/decode/cpu_generator.h"
#include "model/decode/level_step.h"
#include "model/decode/step_check.h"
#include "model/decode/thread_pool.h"

namespace strata {

template <typename T>
CpuModel<T>::CpuModel(const ModelConfig& config, ModelWeights<T> weights)
    : config_(config),
      weights_(std::move(weights)),
      kernels_(&SelectKernels<T>()) {
  for (int l = 0; l < static_cast<int>(config_.levels.size()); ++l) {
    const LevelConfig& level = config_.levels[l];
    const int64_t items =
        std::max({MaxItems(config_, l, config_.max_context) + 1,
                  TreeRopeRows(TreeOf(level))});
    ropes_.emplace_back(config_.rope_theta, level.dim / level.heads, items);
  }
}

template <typename T>
absl::StatusOr<std::shared_ptr<const CpuModel<T>>> CpuModel<T>::Create(
    const ModelConfig& config,
    const std::map<std::string, TensorView>& tensors) {
  STRATA_ASSIGN_OR_RETURN(ModelWeights<T> weights,
                          PackWeights<T>(config, tensors));
  std::shared_ptr<CpuModel> model(new CpuModel(config, std::move(weights)));
  STRATA_ASSIGN_OR_RETURN(model->origin_,
                          CpuSequence<T>::Allocate(&model->config_, 1));
  ThreadPool alone(1);
  LevelStep<T> step(model.get(), &alone);
  STRATA_RETURN_IF_ERROR(step.Prime(model->origin_.get()));
  return std::shared_ptr<const CpuModel>(std::move(model));
}

template <typename T>
std::string CpuModel<T>::executor() const {
  return absl::StrCat("cpu-", kernels_->name);
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
