// Lanes: every trained item once an epoch, each row goes on where the same row of the
// batch before it ended, and a cursor of two numbers resumes exactly.

#include "model/train/lane_batcher.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "model/base/random.h"
#include "model/items.h"

namespace strata {
namespace {

constexpr int64_t kLanes = 4;

std::vector<Document> Texts(int count, int max_length) {
  std::vector<Document> documents;
  for (int i = 0; i < count; ++i) {
    std::string text = {static_cast<char>(i)};
    const int length = static_cast<int>(RandomBits(7, 0, i) % max_length);
    for (int k = 0; k < length; ++k) {
      text.push_back(static_cast<char>(RandomBits(7, i + 1, k)));
    }
    documents.push_back(TextDocument(text, true));
  }
  return documents;
}

BatcherOptions Options() {
  return {.sequence = 64, .block_bytes = 8, .seed = 5, .shift_cuts = true};
}

// The batches of an epoch.
std::vector<Batch> Epoch(LaneBatcher* batcher, int64_t epoch) {
  std::vector<Batch> batches;
  DataCursor cursor{epoch, 0};
  while (cursor.epoch == epoch && cursor.row < batcher->Rows(epoch)) {
    batches.push_back(batcher->Next(kLanes, {}, &cursor));
  }
  return batches;
}

std::map<int64_t, int64_t> TrainedCounts(const std::vector<Batch>& batches) {
  std::map<int64_t, int64_t> counts;
  for (const Batch& batch : batches) {
    int64_t trained = 0;
    for (size_t i = 0; i < batch.items.size(); ++i) {
      if (!batch.trained[i]) continue;
      ++counts[batch.items[i]];
      ++trained;
    }
    EXPECT_EQ(batch.trained_items, trained);
  }
  return counts;
}

TEST(LaneBatcher, EveryTrainedItemAppearsOncePerEpoch) {
  for (const int max_length : {30, 500, 5000}) {
    const std::vector<Document> documents = Texts(40, max_length);
    std::map<int64_t, int64_t> expected;
    for (const Document& d : documents) {
      for (int64_t i = 0; i < d.size(); ++i) {
        if (d.trained(i)) ++expected[d.item(i)];
      }
    }
    LaneBatcher batcher(documents, kLanes, Options());
    for (const int64_t epoch : {0, 3}) {
      EXPECT_EQ(TrainedCounts(Epoch(&batcher, epoch)), expected) << max_length;
    }
  }
}

// What a lane holds, from kSos to kSos, is a document or a part of one: its items in a
// row, however they were cut into segments.
TEST(LaneBatcher, RowsGoOnWhereTheSameRowsEnded) {
  const std::vector<Document> documents = Texts(40, 900);
  std::string all;
  for (const Document& d : documents) {
    for (int64_t i = 0; i < d.size(); ++i) all += static_cast<char>(d.item(i));
  }
  LaneBatcher batcher(documents, kLanes, Options());
  const std::vector<Batch> batches = Epoch(&batcher, 1);
  int continued = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    std::string text;
    const auto close = [&] {
      EXPECT_NE(all.find(text), std::string::npos) << lane;
      text.clear();
    };
    for (const Batch& batch : batches) {
      ASSERT_EQ(batch.rows, kLanes);
      const int64_t* items = batch.items.data() + lane * batch.sequence;
      const int64_t* segments = batch.segments.data() + lane * batch.sequence;
      // A row that does not continue begins with kSos, or has nothing at all.
      EXPECT_EQ(batch.continues[lane] == 0, items[0] == kSos || items[0] == kPad);
      continued += batch.continues[lane];
      for (int64_t i = 0; i < batch.sequence; ++i) {
        if (items[i] == kSos) close();
        if (i > 0 && items[i] == kSos) EXPECT_EQ(segments[i], segments[i - 1] + 1);
        if (items[i] < 256) text += static_cast<char>(items[i]);
      }
    }
    close();
  }
  EXPECT_GT(continued, 100);
}

TEST(LaneBatcher, OneTextFeedsAllLanes) {
  const std::vector<Document> documents = {TextDocument(std::string(20000, 'x'), true)};
  LaneBatcher batcher(documents, kLanes, Options());
  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    const int64_t slots = batcher.Rows(epoch) * Options().sequence;
    EXPECT_LT(slots, 20000 * 105 / 100) << epoch;
  }
}

TEST(LaneBatcher, ACursorResumesAndEpochsDiffer) {
  const std::vector<Document> documents = Texts(30, 700);
  LaneBatcher one(documents, kLanes, Options());
  DataCursor cursor;
  std::vector<DataCursor> cursors;
  std::vector<Batch> batches;
  while (cursor.epoch < 2) {
    cursors.push_back(cursor);
    batches.push_back(one.Next(kLanes, {}, &cursor));
  }
  for (const size_t at : {size_t{3}, batches.size() - 2, size_t{0}}) {
    LaneBatcher other(documents, kLanes, Options());
    DataCursor resumed = cursors[at];
    const Batch batch = other.Next(kLanes, {}, &resumed);
    EXPECT_EQ(batch.items, batches[at].items);
    EXPECT_EQ(batch.continues, batches[at].continues);
  }
  EXPECT_NE(Epoch(&one, 0)[0].items, Epoch(&one, 1)[0].items);
}

TEST(LaneBatcher, NothingContinuesBehindAJump) {
  const std::vector<Document> documents = {TextDocument(std::string(20000, 'x'), true)};
  LaneBatcher batcher(documents, kLanes, Options());
  DataCursor cursor{0, 8 * kLanes};
  const std::vector<DataWindow> skip = {{{0, 9 * kLanes}, {0, 11 * kLanes}}};
  EXPECT_EQ(batcher.Next(kLanes, skip, &cursor).continues,
            std::vector<uint8_t>(kLanes, 1));
  EXPECT_EQ(batcher.Next(kLanes, skip, &cursor).continues,
            std::vector<uint8_t>(kLanes, 0));
  EXPECT_EQ(cursor, (DataCursor{0, 12 * kLanes}));
}

TEST(LaneBatcher, AnswersKeepTheirPrompts) {
  std::vector<Document> documents;
  for (int i = 0; i < 20; ++i) {
    documents.push_back(CompletionDocument(std::string(150, 'p'), std::string(90, 'a')));
  }
  LaneBatcher batcher(documents, kLanes, Options());
  std::map<int64_t, int64_t> trained = TrainedCounts(Epoch(&batcher, 0));
  EXPECT_EQ(trained['a'], 20 * 90);
  EXPECT_EQ(trained.count('p'), 0u);
  int64_t prompts = 0;
  for (const Batch& batch : Epoch(&batcher, 0)) {
    for (const int64_t item : batch.items) prompts += item == 'p';
  }
  EXPECT_EQ(prompts, 20 * 150);
}

TEST(LaneBatcher, NothingToTrainIsEmpty) {
  LaneBatcher none({}, kLanes, Options());
  EXPECT_TRUE(none.empty());
  const std::vector<Document> documents = {TextDocument("x", false)};
  LaneBatcher one(documents, kLanes, Options());
  EXPECT_FALSE(one.empty());
}

}  // namespace
}  // namespace strata
