#include "model/decode/tensor/tensor_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/base/status_macros.h"
#include "model/decode/step_check.h"
#include "model/decode/tensor/tensor_generator.h"
#include "model/hierarchy/weights.h"
#include "model/nn/torch_guard.h"

namespace strata {

absl::StatusOr<std::shared_ptr<const TensorModel>> TensorModel::Create(
    const ModelConfig& config, const std::map<std::string, TensorView>& weights,
    const std::vector<torch::Device>& devices, torch::ScalarType type) {
  std::shared_ptr<TensorModel> model(new TensorModel());
  for (const torch::Device& device : devices) {
    STRATA_ASSIGN_OR_RETURN(HierarchicalTransformer net, TorchGuard([&] {
                              HierarchicalTransformer made(config);
                              made->to(type);
                              return made;
                            }));
    STRATA_RETURN_IF_ERROR(LoadNamedTensors(weights, net.get()));
    STRATA_ASSIGN_OR_RETURN(auto replica,
                            DeviceModel::Create(std::move(net), device, type));
    model->replicas_.push_back(std::move(replica));
  }
  return std::shared_ptr<const TensorModel>(std::move(model));
}

int64_t TensorModel::StateBytes(int64_t capacity) const {
  return strata::StateBytes(config(), capacity,
                            static_cast<int>(replicas_[0]->value_bytes()));
}

std::string TensorModel::executor() const {
  return absl::StrCat(
      "tensor-", absl::StrJoin(replicas_, ",",
                               [](std::string* out, const auto& replica) {
                                 absl::StrAppend(out, replica->device().str());
                               }),
      replicas_[0]->dtype() == torch::kBFloat16 ? "-bf16" : "",
      std::all_of(replicas_.begin(), replicas_.end(),
                  [](const auto& replica) { return replica->replay() != nullptr; })
          ? "-graphs"
          : "");
}

absl::StatusOr<std::unique_ptr<Generator>> TensorModel::NewGenerator(
    const GeneratorOptions& options) const {
  STRATA_RETURN_IF_ERROR(CheckGeneratorOptions(options));
  DeviceModel* const replica =
      replicas_[options.worker % replicas_.size()].get();
  return std::make_unique<TensorGenerator>(replica, options.threads);
}

}  // namespace strata
