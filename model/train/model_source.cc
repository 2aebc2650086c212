#include "model/train/model_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/hierarchy/init.h"
#include "model/hierarchy/weights.h"
#include "model/nn/torch_guard.h"
#include "model/presets.h"
#include "model/train/job_files.h"
#include "model/version_dir.h"

namespace strata {
namespace {

absl::Status ReadBase(const TrainRun& run, TrainedModel* out) {
  STRATA_RETURN_IF_ERROR(ReadManifest(run.base_dir, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string config,
                          ReadFile(run.base_dir + "/config.json"));
  STRATA_ASSIGN_OR_RETURN(out->config, ParseModelConfig(config));
  STRATA_ASSIGN_OR_RETURN(out->tokenizer,
                          TokenizerOfVersion(run.base_dir, out->config));
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(run.base_dir + "/template.json"));
  STRATA_ASSIGN_OR_RETURN(out->kind, ParseTemplateJson(json));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TemplateKind> TrainedTemplate(TemplateKind base,
                                             TemplateKind data) {
  if (base == data || base == TemplateKind::kText) return data;
  if (data == TemplateKind::kText) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dataset is text but the base answers in the ", TemplateKindName(base),
        " template; must be completion or chat data"));
  }
  return TemplateKind::kChat;
}

absl::StatusOr<TrainedModel> DescribeModel(
    const TrainRun& run, TemplateKind data,
    std::shared_ptr<const Tokenizer> tokenizer) {
  TrainedModel out;
  out.tokenizer = std::move(tokenizer);
  if (!run.spec.config.empty()) {
    STRATA_ASSIGN_OR_RETURN(out.config, ParseModelConfig(run.spec.config));
    out.kind = data;
  } else if (run.base_dir.empty()) {
    const absl::StatusOr<ModelConfig> preset = PresetConfig(run.spec.base);
    if (!preset.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("spec.base: ", preset.status().message()));
    }
    out.config = *preset;
    out.kind = data;
  } else {
    const absl::Status read = ReadBase(run, &out);
    if (!read.ok()) return CannotReadBase(run, read);
    STRATA_ASSIGN_OR_RETURN(out.kind, TrainedTemplate(out.kind, data));
  }
  AdoptTokenizer(*out.tokenizer, &out.config);
  STRATA_RETURN_IF_ERROR(ValidateModelConfig(out.config));
  STRATA_RETURN_IF_ERROR(CheckSequence(run.spec, out.config));
  STRATA_RETURN_IF_ERROR(CheckLossWeights(run.spec, out.config));
  ModelConfig config = out.config;
  config.dropout = run.spec.dropout;
  STRATA_RETURN_IF_ERROR(TorchGuard([&] {
    out.model = HierarchicalTransformer(
        config, ModelOptions{.seed = run.spec.seed, .faults = {}});
  }));
  return out;
}

absl::Status ResetWeights(const TrainRun& run, TrainedModel* model) {
  if (run.base_dir.empty()) {
    return TorchGuard([&] {
      InitWeights(model->config, run.spec.seed, model->model.get());
    });
  }
  const absl::Status loaded =
      LoadModelWeights(run.base_dir + "/model.safetensors", &model->model);
  return loaded.ok() ? loaded : CannotReadBase(run, loaded);
}

std::vector<NamedParameter> Weights(const torch::nn::Module& module) {
  std::vector<NamedParameter> weights;
  for (const auto& item : module.named_parameters()) {
    weights.push_back({item.key(), item.value()});
  }
  return weights;
}

}  // namespace strata
