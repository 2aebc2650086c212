#include "model/hierarchy/weights.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/base/status_macros.h"
#include "model/nn/torch_guard.h"
#include "model/version_dir.h"

namespace strata {
namespace {

constexpr char kConfigHash[] = "config_sha256";

absl::StatusOr<DType> DTypeOf(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat:
      return DType::kF32;
    case torch::kDouble:
      return DType::kF64;
    case torch::kBFloat16:
      return DType::kBF16;
    case torch::kInt64:
      return DType::kI64;
    case torch::kUInt8:
      return DType::kU8;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "type ", c10::toString(tensor.scalar_type()), " cannot be stored"));
  }
}

torch::ScalarType ScalarTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return torch::kFloat;
    case DType::kF64:
      return torch::kDouble;
    case DType::kBF16:
      return torch::kBFloat16;
    case DType::kI64:
      return torch::kInt64;
    case DType::kU8:
      return torch::kUInt8;
  }
  return torch::kFloat;
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status CheckTensor(const std::string& name, const torch::Tensor& found,
                         const torch::Tensor& parameter) {
  if (found.sizes() != parameter.sizes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " has shape ",
        ShapeText({found.sizes().data(), found.sizes().size()}), "; must be ",
        ShapeText({parameter.sizes().data(), parameter.sizes().size()})));
  }
  if (!found.is_floating_point()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " holds integers; must be F32, F64 or BF16"));
  }
  if (!at::isfinite(found).all().item<bool>()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " has a value that is not finite"));
  }
  return absl::OkStatus();
}

// What decides how the tensors are used. Dropout, context limit, reach and hashes of
// training may change between the versions of one model.
std::string ArchitectureHash(ModelConfig config) {
  const ModelConfig defaults;
  config.dropout = defaults.dropout;
  config.max_context = defaults.max_context;
  config.reach = defaults.reach;
  for (LevelConfig& level : config.levels) {
    if (level.trained_attention != TrainedAttention::kLsh) continue;
    level.trained_attention = TrainedAttention::kExact;
    level.buckets = level.hash_rounds = 0;
  }
  return Sha256Hex(ModelConfigToJson(config));
}

}  // namespace

absl::StatusOr<NamedTensors> ToNamedTensors(
    const std::vector<std::pair<std::string, torch::Tensor>>& tensors) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    const auto kept = tensor.detach().cpu().contiguous();
    NamedTensor named;
    named.name = name;
    STRATA_ASSIGN_OR_RETURN(named.tensor.dtype, DTypeOf(kept));
    named.tensor.shape.assign(kept.sizes().begin(), kept.sizes().end());
    named.tensor.data = absl::MakeConstSpan(
        static_cast<const uint8_t*>(kept.data_ptr()), kept.nbytes());
    result.storage.push_back(kept);
    result.views.push_back(std::move(named));
  }
  return result;
}

absl::StatusOr<NamedTensors> ToNamedTensors(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, torch::Tensor>> tensors;
  for (const auto& entry : module.named_parameters()) {
    tensors.emplace_back(entry.key(), entry.value());
  }
  return ToNamedTensors(tensors);
}

absl::StatusOr<torch::Tensor> TensorFromView(const TensorView& view) {
  return TorchGuard([&] {
    auto tensor = torch::empty(view.shape, ScalarTypeOf(view.dtype));
    std::memcpy(tensor.data_ptr(), view.data.data(), view.data.size());
    return tensor;
  });
}

absl::Status LoadNamedTensors(const std::map<std::string, TensorView>& tensors,
                              torch::nn::Module* module) {
  std::vector<std::pair<torch::Tensor, torch::Tensor>> copies;
  const auto parameters = module->named_parameters();
  for (const auto& entry : parameters) {
    const auto found = tensors.find(entry.key());
    if (found == tensors.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", entry.key(), " is missing"));
    }
    STRATA_ASSIGN_OR_RETURN(const auto value, TensorFromView(found->second));
    STRATA_RETURN_IF_ERROR(CheckTensor(entry.key(), value, entry.value()));
    copies.emplace_back(entry.value(), value);
  }
  for (const auto& [name, view] : tensors) {
    if (!parameters.contains(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " is not part of this model"));
    }
  }
  return TorchGuard([&] {
    torch::NoGradGuard no_grad;
    for (auto& [parameter, value] : copies) parameter.copy_(value);
  });
}

absl::Status SaveModuleWeights(const torch::nn::Module& module,
                               const std::string& config_hash,
                               const std::string& path) {
  STRATA_ASSIGN_OR_RETURN(const NamedTensors tensors, ToNamedTensors(module));
  return WriteSafetensors(path, tensors.views,
                          {{"format", "pt"}, {kConfigHash, config_hash}});
}

absl::Status LoadModuleWeights(const std::string& path,
                               const std::string& config_hash,
                               torch::nn::Module* module) {
  STRATA_ASSIGN_OR_RETURN(const auto file, SafetensorsFile::Open(path));
  const auto hash = file->metadata().find(kConfigHash);
  if (hash != file->metadata().end() && hash->second != config_hash) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " was written for another architecture than config.json says"));
  }
  const absl::Status status = LoadNamedTensors(file->tensors(), module);
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat(path, ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::Status SaveModelWeights(const HierarchicalTransformer& model,
                              const std::string& path) {
  return SaveModuleWeights(*model, ArchitectureHash(model->config()), path);
}

absl::Status LoadModelWeights(const std::string& path,
                              HierarchicalTransformer* model) {
  return LoadModuleWeights(path, ArchitectureHash((*model)->config()),
                           model->get());
}

}  // namespace strata
