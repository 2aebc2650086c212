#include "model/document/load_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "model/document/document_weights.h"
#include "model/version_dir.h"
#include "tests/model/document/document_fixture.h"
#include "tests/testing/temp_dir.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

absl::Status Always() { return absl::OkStatus(); }

class LoadDocumentTest : public ::testing::Test {
 protected:
  LoadDocumentTest() {
    auto writer = DirWriter::Create(version(), "test");
    EXPECT_TRUE(writer.ok());
    const DocumentClassifier net = SharpClassifier(config_, torch::kFloat);
    EXPECT_TRUE(
        SaveDocumentWeights(net, writer->path() + "/model.safetensors").ok());
    EXPECT_TRUE(
        writer->WriteFile("config.json", DocumentConfigToJson(config_)).ok());
    EXPECT_TRUE(writer->Commit({}).ok());
  }

  std::string version() const { return dir_ / "1"; }

  const TempDir dir_;
  const DocumentConfig config_ = SmallDocumentConfig();
};

TEST_F(LoadDocumentTest, ServesWhatTheModelSays) {
  const auto model = DocumentLoader(1)(version());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->config(), config_);
  const std::vector<std::string> texts = RaggedTexts();
  const auto results = (*model)->Classify(texts, Always);
  ASSERT_TRUE(results.ok()) << results.status();
  DocumentClassifier net = SharpClassifier(config_, torch::kFloat);
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Classification& result = (*results)[i];
    const DocumentBatch batch =
        MakeDocumentBatch(config_, {absl::string_view(texts[i])});
    const DocumentOutput out = net->forward(batch);
    const auto p = out.logits[0].to(torch::kDouble).softmax(0);
    for (int64_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(result.probabilities[c], p[c].item<double>(), 1e-6);
    }
    ASSERT_EQ(result.sentences.size(), batch.sentences[0].size());
    EXPECT_EQ(result.sentences.back().range.end,
              static_cast<int64_t>(texts[i].size()));
    double total = 0;
    for (const AttendedSentence& sentence : result.sentences) {
      total += sentence.weight;
      EXPECT_EQ(static_cast<int64_t>(sentence.bytes.size()),
                sentence.range.end - sentence.range.begin);
      EXPECT_NEAR(std::accumulate(sentence.bytes.begin(),
                                  sentence.bytes.end(), 0.0), 1.0, 1e-5);
    }
    EXPECT_NEAR(total, 1.0, 1e-5);
  }
}

TEST_F(LoadDocumentTest, NeighboursChangeNotABit) {
  const auto model = DocumentLoader(1)(version()).value();
  const std::vector<std::string> texts = RaggedTexts();
  const auto together = model->Classify(texts, Always).value();
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto alone = model->Classify({&texts[i], 1}, Always).value();
    EXPECT_EQ(alone[0].probabilities, together[i].probabilities);
    EXPECT_EQ(alone[0].vector, together[i].vector);
  }
}

TEST_F(LoadDocumentTest, PollEndsTheCall) {
  const auto model = DocumentLoader(1)(version()).value();
  int left = 2;
  const auto result = model->Classify(RaggedTexts(), [&] {
    return left-- > 0 ? absl::OkStatus() : absl::CancelledError("enough");
  });
  EXPECT_TRUE(absl::IsCancelled(result.status()));
  EXPECT_EQ(left, -1);
}

TEST_F(LoadDocumentTest, DamageIsFoundAndTheFolderNamed) {
  std::ofstream(version() + "/config.json", std::ios::app) << " ";
  const absl::Status damaged = DocumentLoader(1)(version()).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged)) << damaged;
  EXPECT_THAT(damaged.message(), HasSubstr(version()));
  EXPECT_FALSE(DocumentLoader(1)(dir_ / "2").ok());
}

}  // namespace
}  // namespace strata::testing
