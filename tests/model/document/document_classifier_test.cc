#include "model/document/document_classifier.h"

#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "model/document/document_weights.h"
#include "tests/model/document/document_fixture.h"
#include "tests/testing/temp_dir.h"

namespace strata::testing {
namespace {

DocumentBatch BatchOf(const DocumentConfig& config,
                      const std::vector<std::string>& texts) {
  return MakeDocumentBatch(
      config, std::vector<absl::string_view>(texts.begin(), texts.end()));
}

double Distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Both levels of every scope.
class DocumentClassifierTest : public ::testing::TestWithParam<DocumentScopeSpec> {
 protected:
  DocumentOutput Run(const std::vector<std::string>& texts) {
    torch::NoGradGuard no_grad;
    return model_->forward(BatchOf(config_, texts));
  }

  static DocumentConfig Scoped() {
    DocumentConfig config = SmallDocumentConfig();
    config.sentence.scope = config.document.scope = GetParam();
    return config;
  }

  const DocumentConfig config_ = Scoped();
  DocumentClassifier model_ = SharpClassifier(config_, torch::kDouble);
};

TEST_P(DocumentClassifierTest, RaggedBatchEqualsSingleTexts) {
  const std::vector<std::string> texts = RaggedTexts();
  const DocumentOutput all = Run(texts);
  int64_t sentence = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const DocumentOutput one = Run({texts[i]});
    const int64_t count = one.sentences.size(0);
    EXPECT_LT(Distance(all.logits[row], one.logits[0]), 1e-12) << i;
    EXPECT_LT(Distance(all.texts[row], one.texts[0]), 1e-12) << i;
    EXPECT_LT(Distance(all.sentences.narrow(0, sentence, count),
                       one.sentences), 1e-12) << i;
    EXPECT_LT(Distance(all.sentence_weights[row].narrow(0, 0, count),
                       one.sentence_weights[0]), 1e-12) << i;
    sentence += count;
  }
  EXPECT_EQ(all.sentences.size(0), sentence);
}

TEST_P(DocumentClassifierTest, WhatStandsInPaddingChangesNothing) {
  DocumentBatch batch = BatchOf(config_, RaggedTexts());
  torch::NoGradGuard no_grad;
  const DocumentOutput before = model_->forward(batch);
  for (SentenceGroup& group : batch.groups) {
    const int64_t width = 1 + config_.ngrams();
    for (size_t r = 0; r < group.lengths.size(); ++r) {
      for (int64_t i = group.lengths[r]; i < group.width; ++i) {
        for (int64_t k = 0; k < width; ++k) {
          group.ids[(r * group.width + i) * width + k] = 7;
        }
      }
    }
  }
  const DocumentOutput after = model_->forward(batch);
  EXPECT_EQ(Distance(before.logits, after.logits), 0);
  EXPECT_EQ(Distance(before.sentence_weights, after.sentence_weights), 0);
}

TEST_P(DocumentClassifierTest, WeightsArePartsOfOne) {
  const DocumentOutput out = Run(RaggedTexts());
  EXPECT_LT(Distance(out.sentence_weights.sum(1), torch::ones({5})), 1e-12);
  EXPECT_EQ(out.sentence_weights[0].narrow(0, 1, 3).abs().max().item<double>(),
            0);  // the first text has one sentence
  for (const auto& rows : out.byte_weights) {
    EXPECT_LT(Distance(rows.sum(1), torch::ones({rows.size(0)})), 1e-12);
  }
}

// More sentences, and in the longest more bytes, than a window shows: what is far comes
// through global items, drawn blocks or mixtures.
TEST_P(DocumentClassifierTest, EveryByteMattersInBothDirections) {
  const std::string text =
      "One here. Two there! And three, four. Then five. Or six? Is it? No. Yes. Well. "
      "So be it. Go on. Then. End of it.";
  const auto ranges = SplitSentences(text, config_.max_sentence_bytes);
  ASSERT_GT(ranges.size(), 2u * 5 + 1);
  const DocumentOutput base = Run({text});
  for (size_t i = 0; i < text.size(); ++i) {
    if (!absl::ascii_isalpha(static_cast<unsigned char>(text[i]))) continue;
    std::string other = text;
    other[i] = text[i] == 'q' ? 'p' : 'q';
    const DocumentOutput out = Run({other});
    EXPECT_GT(Distance(base.logits, out.logits), 1e-9) << i;
    // A sentence's own vector knows its own bytes alone.
    const auto at = static_cast<int64_t>(i);
    for (size_t s = 0; s < ranges.size(); ++s) {
      const bool own = at >= ranges[s].begin && at < ranges[s].end;
      const auto row = static_cast<int64_t>(s);
      EXPECT_EQ(Distance(base.sentences[row], out.sentences[row]) > 1e-9, own)
          << i << " " << s;
    }
  }
}

TEST_P(DocumentClassifierTest, OrderOfSentencesAndOfBytesMatters) {
  const auto base = Run({"ab cd. ef gh. "}).logits;
  EXPECT_GT(Distance(base, Run({"ef gh. ab cd. "}).logits), 1e-9);
  EXPECT_GT(Distance(base, Run({"ba cd. ef gh. "}).logits), 1e-9);
}

TEST_P(DocumentClassifierTest, FormulaCountsTheParameters) {
  int64_t count = 0;
  for (const auto& p : model_->parameters()) count += p.numel();
  EXPECT_EQ(count, ParameterCount(config_));
}

TEST_P(DocumentClassifierTest, SeedAloneDecidesTheWeights) {
  const auto weights = [&](uint64_t seed) {
    const DocumentClassifier model(config_, seed);
    return torch::nn::utils::parameters_to_vector(model->parameters());
  };
  EXPECT_EQ(Distance(weights(5), weights(5)), 0);
  EXPECT_GT(Distance(weights(5), weights(6)), 0);
}

TEST_P(DocumentClassifierTest, FileIsStrictAboutArchitectureAndLabels) {
  const TempDir dir;
  ASSERT_EQ(SaveDocumentWeights(model_, dir / "m"), absl::OkStatus());
  DocumentClassifier same(config_, 9);
  ASSERT_EQ(LoadDocumentWeights(dir / "m", &same), absl::OkStatus());
  same->eval();
  same->to(torch::kDouble);
  torch::NoGradGuard no_grad;
  const DocumentBatch batch = BatchOf(config_, RaggedTexts());
  EXPECT_LT(Distance(same->forward(batch).logits,
                     model_->forward(batch).logits), 1e-3);
  DocumentConfig other = config_;
  other.labels[2] = "d";
  DocumentClassifier renamed(other, 9);
  EXPECT_TRUE(absl::IsInvalidArgument(LoadDocumentWeights(dir / "m", &renamed)));
  other = config_;
  other.dropout = 0.3;  // may change between versions
  DocumentClassifier dropped(other, 9);
  EXPECT_EQ(LoadDocumentWeights(dir / "m", &dropped), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(Scopes, DocumentClassifierTest,
                         ::testing::ValuesIn(SmallDocumentScopes()), ScopeParamName);

// Sentences of 64 bytes in 8 buckets, texts of a few sentences in 2.
TEST(BucketClassifierTest, AttendsToBucketsInTrainingAloneAndNeverToPadding) {
  for (const auto kind : {TrainedAttention::kLsh, TrainedAttention::kRouting}) {
    DocumentConfig config = SmallDocumentConfig();
    config.dropout = 0;
    const int rounds = kind == TrainedAttention::kLsh ? 2 : 0;
    config.sentence.attention = {kind, 8, rounds};
    config.document.attention = {kind, 2, rounds};
    DocumentClassifier model = SharpClassifier(config, torch::kDouble);
    torch::NoGradGuard no_grad;
    const auto logits = [&](const std::vector<std::string>& texts) {
      at::manual_seed(4);
      return model->forward(BatchOf(config, texts)).logits;
    };
    const auto served = logits(RaggedTexts());
    config.sentence.attention = config.document.attention = {};
    DocumentClassifier exact(config, /*seed=*/1);
    exact->to(torch::kDouble);
    exact->eval();
    const auto from = model->named_parameters();
    for (const auto& entry : exact->named_parameters()) {
      entry.value().copy_(from[entry.key()]);
    }
    EXPECT_TRUE(exact->forward(BatchOf(config, RaggedTexts())).logits.equal(served));
    model->train();
    const auto trained = logits(RaggedTexts());
    EXPECT_GT(Distance(trained, served), 1e-3);
    // Sentences of the same widths, and another text beside it.
    const auto with = logits({"One. Two!", "The end? No. Yes. Well."});
    const auto alone = logits({"One. Two!", "The end? No."});
    EXPECT_LT(Distance(with[0], alone[0]), 1e-11);
  }
}

}  // namespace
}  // namespace strata::testing
