#include "model/inspect/load_inspector.h"

#include <torch/torch.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/mutex.h"
#include "model/base/status_macros.h"
#include "model/chat_template.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/weights.h"
#include "model/inspect/inspection_pass.h"
#include "model/nn/torch_guard.h"
#include "model/version_dir.h"

namespace strata {
namespace {

class TorchInspector final : public Inspector {
 public:
  TorchInspector(HierarchicalTransformer model,
                 std::shared_ptr<const Tokenizer> tokenizer, int threads)
      : config_(model->config()),
        tokenizer_(std::move(tokenizer)),
        threads_(threads),
        model_(std::move(model)) {
    model_->eval();
  }

  const ModelConfig& config() const override { return config_; }

  absl::StatusOr<Inspection> Inspect(
      absl::string_view text, const InspectOptions& options) const override {
    const std::vector<Item> items = EncodeItems(*tokenizer_, RenderText(text));
    STRATA_ASSIGN_OR_RETURN(
        const auto selection,
        SelectForInspection(config_, options,
                            static_cast<int64_t>(items.size()) - 1));
    return TorchGuard([&] {
      MutexLock lock(&mu_);  // watchers sit on the layers
      if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
      return InspectPass(model_, {items.begin(), items.end()}, selection,
                         options.top_k, *tokenizer_)
          .inspection;
    });
  }

 private:
  const ModelConfig config_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const int threads_;
  mutable Mutex mu_;
  mutable HierarchicalTransformer model_;
};

absl::StatusOr<std::shared_ptr<const Inspector>> Load(const std::string& dir,
                                                      int threads) {
  STRATA_RETURN_IF_ERROR(ReadManifest(dir, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(dir + "/config.json"));
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(json));
  STRATA_RETURN_IF_ERROR(ValidateModelConfig(config));
  STRATA_ASSIGN_OR_RETURN(HierarchicalTransformer model, TorchGuard([&] {
                            return HierarchicalTransformer(config);
                          }));
  STRATA_RETURN_IF_ERROR(LoadModelWeights(dir + "/model.safetensors", &model));
  STRATA_ASSIGN_OR_RETURN(auto tokenizer, TokenizerOfVersion(dir, config));
  return std::make_shared<TorchInspector>(std::move(model), std::move(tokenizer),
                                          threads);
}

}  // namespace

InspectorLoader TorchInspectorLoader(int threads) {
  return [threads](const std::string& dir)
             -> absl::StatusOr<std::shared_ptr<const Inspector>> {
    auto inspector = Load(dir, threads);
    if (inspector.ok()) return inspector;
    return absl::Status(
        inspector.status().code(),
        absl::StrCat(dir, ": ", inspector.status().message()));
  };
}

}  // namespace strata
