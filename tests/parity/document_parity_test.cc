// The document classifier, in every scope, and its gradients against an implementation
// that shares nothing with it (tests/parity/make_document_reference.py), one text at a
// time and all as one ragged batch.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/document/document_classifier.h"
#include "tests/parity/reference.h"

namespace strata::testing {
namespace {

using nlohmann::json;

DocumentLevelConfig LevelOf(const json& level) {
  DocumentLevelConfig config{level["dim"], level["heads"], level["ff_mult"],
                             level["layers"]};
  EXPECT_TRUE(
      FindDocumentScope(level.value("scope", std::string("full")), &config.scope.scope));
  config.scope.projected = level.value("projected", 0);
  config.scope.window = level.value("window", 0);
  config.scope.global_items = level.value("global_items", 0);
  config.scope.random_blocks = level.value("random_blocks", 0);
  return config;
}

class DocumentParityTest
    : public ::testing::TestWithParam<std::tuple<const char*, torch::ScalarType>> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }

  void SetUp() override {
    std::ifstream file(
        absl::StrCat("tests/parity/data/", std::get<0>(GetParam()), ".json"));
    data_ = json::parse(file, nullptr, false);
    ASSERT_TRUE(data_.is_object());
    config_.sentence = LevelOf(data_["sentence"]);
    config_.document = LevelOf(data_["document"]);
    config_.ngram_min = data_["ngram_min"];
    config_.ngram_max = data_["ngram_max"];
    config_.ngram_buckets = data_["ngram_buckets"];
    config_.word_buckets = data_["word_buckets"];
    for (int i = 0; i < data_["labels"]; ++i) {
      config_.labels.push_back(absl::StrCat("label", i));
    }
    texts_ = data_["texts"].get<std::vector<std::string>>();
    model_ = DocumentClassifier(config_, 1);
    model_->to(type());
    model_->eval();
    FormulaWeights(model_.get());
  }

  torch::ScalarType type() const { return std::get<1>(GetParam()); }
  // Weights by formula make mixtures of keys large, and Linformer's softmax sharp.
  double tolerance() const {
    if (type() != torch::kFloat) return 2e-8;
    return std::get<0>(GetParam()) == std::string("document-linformer") ? 1e-4 : 1e-5;
  }

  DocumentBatch Batch(absl::Span<const std::string> texts) const {
    return MakeDocumentBatch(
        config_, std::vector<absl::string_view>(texts.begin(), texts.end()));
  }

  void Expect(int text, const char* name, const torch::Tensor& tensor) {
    const json& entry = data_["activations"][absl::StrCat(text, ".", name)];
    ASSERT_TRUE(entry.is_object()) << name;
    ExpectDigest(absl::StrCat(text, ".", name), tensor,
                 {entry["shape"], entry["at"], entry["signed"]}, tolerance());
  }

  // Weights of the bytes of a batch of one text, in their order.
  static torch::Tensor ByteWeights(const DocumentBatch& batch,
                                   const DocumentOutput& out) {
    std::vector<torch::Tensor> rows(batch.sentences[0].size());
    for (size_t g = 0; g < batch.groups.size(); ++g) {
      const SentenceGroup& group = batch.groups[g];
      for (size_t r = 0; r < group.sentences.size(); ++r) {
        rows[group.sentences[r]] =
            out.byte_weights[g][static_cast<int64_t>(r)].narrow(
                0, 0, group.lengths[r]);
      }
    }
    return at::cat(rows);
  }

  json data_;
  DocumentConfig config_;
  std::vector<std::string> texts_;
  DocumentClassifier model_{nullptr};
};

TEST_P(DocumentParityTest, VectorsWeightsAndLogitsOfEachText) {
  torch::NoGradGuard no_grad;
  for (int i = 0; i < static_cast<int>(texts_.size()); ++i) {
    const DocumentBatch batch = Batch({&texts_[i], 1});
    const DocumentOutput out = model_->forward(batch);
    Expect(i, "logits", out.logits[0]);
    Expect(i, "text", out.texts[0]);
    Expect(i, "sentences", out.sentences);
    Expect(i, "sentence_weights", out.sentence_weights[0]);
    Expect(i, "byte_weights", ByteWeights(batch, out));
  }
}

TEST_P(DocumentParityTest, LossAndGradientsOfTheRaggedBatch) {
  const auto logits = model_->forward(Batch(texts_)).logits;
  const auto labels = data_["true"].get<std::vector<int64_t>>();
  const auto loss = at::cross_entropy_loss(logits, torch::tensor(labels));
  EXPECT_NEAR(loss.item<double>(), data_["loss"].get<double>(), tolerance());
  loss.backward();
  const auto parameters = model_->named_parameters();
  EXPECT_EQ(parameters.size(), data_["gradients"].size());
  for (const auto& entry : parameters) {
    const json& expected = data_["gradients"][entry.key()];
    ASSERT_TRUE(expected.is_object()) << entry.key();
    ExpectDigest(entry.key(), entry.value().grad(),
                 {expected["shape"], expected["at"], expected["signed"]},
                 tolerance());
  }
}

INSTANTIATE_TEST_SUITE_P(
    ScopesAndTypes, DocumentParityTest,
    ::testing::Combine(::testing::Values("document", "document-words", "document-linformer",
                                         "document-etc", "document-bigbird"),
                       ::testing::Values(torch::kFloat, torch::kDouble)),
    [](const auto& info) {
      const bool single = std::get<1>(info.param) == torch::kFloat;
      return absl::StrReplaceAll(std::get<0>(info.param), {{"-", "_"}}) +
             (single ? "_fp32" : "_fp64");
    });

}  // namespace
}  // namespace strata::testing
