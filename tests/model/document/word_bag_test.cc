// Which rows a sentence's words take, and what a bag of them makes.

#include "model/document/word_bag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(WordBag, IsTheNormedMeanAndNothingWithoutWords) {
  torch::NoGradGuard no_grad;
  DocumentConfig config = SmallDocumentConfig();
  DocumentClassifier model = SharpClassifier(config, torch::kDouble);
  const auto named = model->named_parameters();
  const std::string text = "One two. ?! ";
  const DocumentBatch batch = MakeDocumentBatch(config, {text});
  const auto with = model->forward(batch).sentences;
  named["words.out.weight"].zero_();
  const auto without = model->forward(batch).sentences;
  model = SharpClassifier(config, torch::kDouble);
  const auto w = model->named_parameters();
  std::vector<int64_t> rows;
  AppendWordRows("One two.", config.word_buckets, &rows);
  const auto mean = w["words.table.weight"].index_select(0, torch::tensor(rows)).mean(0);
  const auto bag =
      at::mv(w["words.out.weight"], mean / ((mean * mean).mean() + 1e-5).sqrt());
  EXPECT_LT((with[0] - without[0] - bag).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(with[1].equal(without[1]));
}

}  // namespace
}  // namespace strata::testing
