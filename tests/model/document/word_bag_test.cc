// Which rows a sentence's words take, and what a bag of them makes.

#include "model/document/word_bag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/document/word_rows.h"
#include "tests/model/document/document_fixture.h"

namespace strata::testing {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> RowsOf(absl::string_view sentence) {
  std::vector<int64_t> rows;
  AppendWordRows(sentence, 1 << 30, &rows);
  return rows;
}

TEST(WordRows, AreThoseOfWordsAndOfPairsWhateverStandsBetween) {
  const auto rows = RowsOf("It isn't caf\xc3\xa9.");
  ASSERT_EQ(rows.size(), 5u);  // 3 words, 2 pairs
  EXPECT_THAT(RowsOf("it"), ElementsAre(rows[0]));
  EXPECT_THAT(RowsOf("ISN'T"), ElementsAre(rows[1]));
  EXPECT_THAT(RowsOf("caf\xc3\xa9"), ElementsAre(rows[3]));
  EXPECT_EQ(RowsOf(" it -- isn't,\ncaf\xc3\xa9"), rows);
  EXPECT_NE(RowsOf("isn't it")[2], rows[2]);  // a pair has an order
  EXPECT_TRUE(RowsOf(" .,! ").empty());
}

TEST(WordBag, IsTheNormedSumAndNothingWithoutWords) {
  torch::NoGradGuard no_grad;
  DocumentConfig config = SmallDocumentConfig();
  config.word_buckets = 32;
  DocumentClassifier model = SharpClassifier(config, torch::kDouble);
  const auto named = model->named_parameters();
  const std::string text = "One two. ?! ";
  const DocumentBatch batch = MakeDocumentBatch(config, {text});
  const auto with = model->forward(batch);
  named["words.sentence_out.weight"].zero_();
  const auto without = model->forward(batch).sentences;
  named["words.text_out.weight"].zero_();
  const auto text_without = model->forward(batch).texts;
  named["words.text_out.weight"].copy_(
      SharpClassifier(config, torch::kDouble)->named_parameters()["words.text_out.weight"]);
  const auto text_with = model->forward(batch).texts;
  model = SharpClassifier(config, torch::kDouble);
  const auto w = model->named_parameters();
  std::vector<int64_t> rows;
  AppendWordRows("One two.", config.word_buckets, &rows);
  const auto u = w["words.table.weight"].index_select(0, torch::tensor(rows)).sum(0) /
                 std::sqrt(3.0);
  const auto bag = [&](const char* out) {
    return at::mv(w[out], u / ((u * u).mean() + 1e-5).sqrt());
  };
  const auto of_sentence = with.sentences - without;
  EXPECT_LT((of_sentence[0] - bag("words.sentence_out.weight")).abs().max().item<double>(),
            1e-12);
  EXPECT_EQ(of_sentence[1].abs().max().item<double>(), 0);
  const auto of_text = text_with[0] - text_without[0];
  EXPECT_LT((of_text - bag("words.text_out.weight")).abs().max().item<double>(), 1e-12);
}

}  // namespace
}  // namespace strata::testing
