// The held-out part: by content for documents, the tail of a text.

#include "model/train/split.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace strata {
namespace {

Dataset Completions(int count) {
  Dataset dataset;
  dataset.kind = TemplateKind::kCompletion;
  for (int i = 0; i < count; ++i) {
    dataset.documents.push_back(
        CompletionDocument("q" + std::to_string(i), std::to_string(i * i)));
  }
  return dataset;
}

std::set<std::vector<Item>> Contents(const std::vector<Document>& documents) {
  std::set<std::vector<Item>> contents;
  for (const Document& d : documents) contents.insert(d.Items());
  return contents;
}

TEST(SplitDataset, HoldsOutAboutTheFractionAndLosesNothing) {
  const DataSplit split = SplitDataset(Completions(4000), 0.1);
  EXPECT_EQ(split.train.size() + split.held_out.size(), 4000u);
  EXPECT_NEAR(static_cast<double>(split.held_out.size()), 400, 80);
}

TEST(SplitDataset, DuplicatesLandOnOneSideAndMoreDataMovesNothing) {
  Dataset twice = Completions(200);
  const Dataset again = Completions(400);
  twice.documents.insert(twice.documents.end(), again.documents.begin(),
                         again.documents.end());
  const auto small = Contents(SplitDataset(Completions(200), 0.2).held_out);
  const DataSplit split = SplitDataset(twice, 0.2);
  const auto held_out = Contents(split.held_out);
  for (const auto& items : Contents(split.train)) {
    EXPECT_EQ(held_out.count(items), 0u);
    EXPECT_EQ(small.count(items), 0u);
  }
}

TEST(SplitDataset, NeitherSideIsEmptyWhereThereAreTwoDocuments) {
  for (int n = 2; n < 30; ++n) {
    for (const double fraction : {0.001, 0.5}) {
      const DataSplit split = SplitDataset(Completions(n), fraction);
      EXPECT_FALSE(split.train.empty());
      EXPECT_FALSE(split.held_out.empty());
    }
  }
  EXPECT_EQ(SplitDataset(Completions(1), 0.5).train.size(), 1u);
  EXPECT_TRUE(SplitDataset(Completions(9), 0).held_out.empty());
}

TEST(SplitDataset, TextGivesItsTail) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text.push_back(static_cast<char>('a' + i % 26));
  Dataset dataset;
  dataset.documents.push_back(TextDocument(text, false));
  const std::vector<Item> all = dataset.documents[0].Items();
  const DataSplit split = SplitDataset(dataset, 0.1);
  ASSERT_EQ(split.train.size(), 1u);
  ASSERT_EQ(split.held_out.size(), 1u);
  EXPECT_TRUE(split.is_text);
  EXPECT_EQ(split.held_out[0].size(), 100);
  std::vector<Item> joined = split.train[0].Items();
  const std::vector<Item> tail = split.held_out[0].Items();
  joined.insert(joined.end(), tail.begin(), tail.end());
  EXPECT_EQ(joined, all);
  EXPECT_EQ(split.held_out[0].TrainedItems(), 100);
}

}  // namespace
}  // namespace strata
