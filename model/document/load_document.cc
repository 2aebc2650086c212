#include "model/document/load_document.h"

#include <torch/torch.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/mutex.h"
#include "model/base/status_macros.h"
#include "model/document/document_classifier.h"
#include "model/document/document_weights.h"
#include "model/nn/torch_guard.h"
#include "model/version_dir.h"

namespace strata {
namespace {

std::vector<float> Floats(const torch::Tensor& row) {
  const auto kept = row.to(torch::kFloat).contiguous();
  const float* values = kept.const_data_ptr<float>();
  return {values, values + kept.numel()};
}

// What one forward pass of one text says.
Classification Describe(const DocumentBatch& batch, const DocumentOutput& out) {
  Classification result;
  const auto probabilities =
      out.logits[0].to(torch::kDouble).softmax(0).contiguous();
  result.probabilities.assign(
      probabilities.const_data_ptr<double>(),
      probabilities.const_data_ptr<double>() + probabilities.numel());
  result.vector = Floats(out.texts[0]);
  const std::vector<float> weights = Floats(out.sentence_weights[0]);
  result.sentences.resize(batch.sentences[0].size());
  for (size_t i = 0; i < result.sentences.size(); ++i) {
    AttendedSentence& sentence = result.sentences[i];
    sentence.range = batch.sentences[0][i];
    sentence.weight = weights[i];
    sentence.vector = Floats(out.sentences[static_cast<int64_t>(i)]);
  }
  for (size_t g = 0; g < batch.groups.size(); ++g) {
    const SentenceGroup& group = batch.groups[g];
    for (size_t row = 0; row < group.sentences.size(); ++row) {
      result.sentences[group.sentences[row]].bytes =
          Floats(out.byte_weights[g][static_cast<int64_t>(row)].narrow(
              0, 0, group.lengths[row]));
    }
  }
  return result;
}

class DocumentModel final : public Classifier {
 public:
  DocumentModel(DocumentClassifier net, int threads)
      : config_(net->config()), threads_(threads), net_(std::move(net)) {
    net_->eval();
  }

  const DocumentConfig& config() const override { return config_; }
  int64_t weight_bytes() const override {
    return ParameterCount(config_) * static_cast<int64_t>(sizeof(float));
  }
  std::string executor() const override { return "tensor-cpu"; }

  absl::StatusOr<std::vector<Classification>> Classify(
      absl::Span<const std::string> texts,
      const std::function<absl::Status()>& poll) const override {
    std::vector<Classification> results;
    for (const std::string& text : texts) {
      STRATA_RETURN_IF_ERROR(poll());
      STRATA_ASSIGN_OR_RETURN(Classification result, One(text));
      results.push_back(std::move(result));
    }
    return results;
  }

 private:
  absl::StatusOr<Classification> One(absl::string_view text) const {
    return TorchGuard([&] {
      const DocumentBatch batch = MakeDocumentBatch(config_, {text});
      if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
      torch::NoGradGuard no_grad;
      MutexLock lock(&mu_);  // a forward pass fills tables that layers share
      return Describe(batch, net_->forward(batch));
    });
  }

  const DocumentConfig config_;
  const int threads_;
  mutable Mutex mu_;
  mutable DocumentClassifier net_;
};

absl::StatusOr<std::shared_ptr<const Classifier>> Load(const std::string& dir,
                                                       int threads) {
  STRATA_RETURN_IF_ERROR(ReadManifest(dir, /*verify=*/true).status());
  STRATA_ASSIGN_OR_RETURN(const std::string json,
                          ReadFile(dir + "/config.json"));
  STRATA_ASSIGN_OR_RETURN(const DocumentConfig config,
                          ParseDocumentConfig(json));
  STRATA_RETURN_IF_ERROR(ValidateDocumentConfig(config, /*labelled=*/true));
  STRATA_ASSIGN_OR_RETURN(DocumentClassifier net, TorchGuard([&] {
                            return DocumentClassifier(config, /*seed=*/1);
                          }));
  STRATA_RETURN_IF_ERROR(
      LoadDocumentWeights(dir + "/model.safetensors", &net));
  return std::make_shared<DocumentModel>(std::move(net), threads);
}

}  // namespace

ClassifierLoader DocumentLoader(int threads) {
  return [threads](const std::string& dir)
             -> absl::StatusOr<std::shared_ptr<const Classifier>> {
    auto model = Load(dir, threads);
    if (model.ok()) return model;
    return absl::Status(model.status().code(),
                        absl::StrCat(dir, ": ", model.status().message()));
  };
}

}  // namespace strata
