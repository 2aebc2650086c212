// Packing: every trained item once, no block shared, order a function of
// (seed, epoch), a cursor of two numbers resumes exactly.

#include "model/train/batcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/base/random.h"
#include "model/items.h"

namespace strata {
namespace {

// Documents of pseudo-random lengths whose items tell where they come from: the
// first two bytes are the document's number.
std::vector<Document> Documents(int count, int max_length) {
  std::vector<Document> documents;
  for (int i = 0; i < count; ++i) {
    std::string text = {static_cast<char>(i % 251), static_cast<char>(i / 251)};
    const int length = static_cast<int>(RandomBits(7, 0, i) % max_length);
    for (int k = 0; k < length; ++k) {
      text.push_back(static_cast<char>(RandomBits(7, i + 1, k)));
    }
    documents.push_back(TextDocument(text, true));
  }
  return documents;
}

BatcherOptions Options(int64_t sequence, int64_t block) {
  BatcherOptions options;
  options.sequence = sequence;
  options.block_bytes = block;
  options.seed = 5;
  return options;
}

Batch Epoch(Batcher* batcher, int64_t epoch) {
  DataCursor cursor{epoch, 0};
  return batcher->Next(batcher->Rows(epoch), {}, &cursor);
}

std::map<int64_t, int64_t> TrainedCounts(const Batch& batch) {
  std::map<int64_t, int64_t> counts;
  for (size_t i = 0; i < batch.items.size(); ++i) {
    if (batch.trained[i]) ++counts[batch.items[i]];
  }
  return counts;
}

TEST(Batcher, EveryTrainedItemAppearsOncePerEpoch) {
  const std::vector<Document> documents = Documents(300, 150);
  std::map<int64_t, int64_t> expected;
  for (const Document& d : documents) {
    for (int64_t i = 0; i < d.size(); ++i) {
      if (d.trained(i)) ++expected[d.item(i)];
    }
  }
  for (const bool shift : {false, true}) {
    BatcherOptions options = Options(64, 8);
    options.shift_cuts = shift;
    Batcher batcher(documents, options);
    for (const int64_t epoch : {0, 1, 7}) {
      const Batch batch = Epoch(&batcher, epoch);
      EXPECT_EQ(TrainedCounts(batch), expected) << epoch;
      int64_t trained = 0;
      for (const auto& [item, count] : expected) trained += count;
      EXPECT_EQ(batch.trained_items, trained);
    }
  }
}

TEST(Batcher, NoBlockIsSharedAndEveryPieceStartsWithSos) {
  const std::vector<Document> documents = Documents(200, 100);
  for (const int64_t block : {1, 4, 8, 32}) {
    Batcher batcher(documents, Options(64, block));
    const Batch batch = Epoch(&batcher, 0);
    for (int64_t row = 0; row < batch.rows; ++row) {
      const int64_t start = row * batch.sequence;
      EXPECT_EQ(batch.items[start], kSos);
      for (int64_t t = 1; t < batch.sequence; ++t) {
        const int64_t i = start + t;
        const bool starts = batch.segments[i] != batch.segments[i - 1];
        if (starts) {
          EXPECT_EQ(t % block, 0);
          EXPECT_EQ(batch.segments[i], batch.segments[i - 1] + 1);
          EXPECT_TRUE(batch.items[i] == kSos || batch.items[i] == kPad);
        } else {
          EXPECT_NE(batch.items[i], kSos);
        }
        if (batch.items[i] == kPad) EXPECT_FALSE(batch.trained[i]);
        // Pads are at the end of a piece.
        if (!starts && batch.items[i - 1] == kPad) {
          EXPECT_EQ(batch.items[i], kPad);
        }
      }
    }
  }
}

TEST(Batcher, ShortDocumentsStayWholeAndLongOnesAreCutWithSos) {
  const std::string text(200, 'x');
  const std::vector<Document> documents = {TextDocument("short", true),
                                           TextDocument(text, false)};
  BatcherOptions options = Options(64, 8);
  options.shuffle = false;
  Batcher batcher(documents, options);
  const Batch batch = Epoch(&batcher, 0);
  // 7 items, and 200 bytes in pieces of 63: 63, 63, 63, 11.
  EXPECT_EQ(batch.real_items, 7 + 200 + 4);
  EXPECT_EQ(batch.trained_items, 6 + 200);
  // The short one, and the last piece (12 items), fit one row together.
  EXPECT_EQ(batch.rows, 4);
}

TEST(Batcher, CutsOfATextShiftBetweenEpochs) {
  const std::vector<Document> documents = {
      TextDocument(std::string(1000, 'a'), false)};
  BatcherOptions options = Options(64, 8);
  options.shift_cuts = true;
  Batcher batcher(documents, options);
  std::map<int64_t, int> sizes;
  for (int64_t epoch = 0; epoch < 8; ++epoch) {
    const Batch batch = Epoch(&batcher, epoch);
    EXPECT_EQ(batch.trained_items, 1000);
    ++sizes[batch.real_items];
  }
  Batcher still(documents, Options(64, 8));
  EXPECT_EQ(Epoch(&still, 0).real_items, Epoch(&still, 3).real_items);
  EXPECT_GE(sizes.size(), 1u);
}

TEST(Batcher, OrderIsAFunctionOfSeedAndEpoch) {
  const std::vector<Document> documents = Documents(300, 60);
  Batcher a(documents, Options(64, 8));
  Batcher b(documents, Options(64, 8));
  b.Rows(3);  // what was packed before does not matter
  EXPECT_EQ(Epoch(&a, 1).items, Epoch(&b, 1).items);
  EXPECT_NE(Epoch(&a, 1).items, Epoch(&a, 2).items);
  BatcherOptions other = Options(64, 8);
  other.seed = 6;
  Batcher c(documents, other);
  EXPECT_NE(Epoch(&a, 1).items, Epoch(&c, 1).items);
}

TEST(Batcher, ACursorResumesExactly) {
  const std::vector<Document> documents = Documents(90, 60);
  Batcher whole(documents, Options(64, 8));
  DataCursor cursor;
  std::vector<Batch> batches;
  std::vector<DataCursor> cursors;
  for (int i = 0; i < 40; ++i) {
    cursors.push_back(cursor);
    batches.push_back(whole.Next(7, {}, &cursor));
  }
  EXPECT_GT(cursor.epoch, 2);  // the end of an epoch was crossed
  for (size_t i = 0; i < cursors.size(); i += 3) {
    Batcher resumed(documents, Options(64, 8));
    DataCursor from = cursors[i];
    EXPECT_EQ(resumed.Next(7, {}, &from).items, batches[i].items);
  }
}

TEST(Batcher, SkippedRowsAreNeverFed) {
  const std::vector<Document> documents = Documents(90, 60);
  Batcher batcher(documents, Options(64, 8));
  const int64_t rows = batcher.Rows(0);
  ASSERT_GT(rows, 12);
  DataCursor cursor;
  const Batch all = batcher.Next(rows, {}, &cursor);
  // Two windows in epoch 0; the second one runs into epoch 1.
  const std::vector<DataWindow> skip = {{{0, 3}, {0, 5}},
                                        {{0, rows - 1}, {1, 2}}};
  cursor = {};
  const Batch some = batcher.Next(rows - 3, skip, &cursor);
  EXPECT_EQ(cursor, (DataCursor{0, rows - 1}));
  const int64_t n = all.sequence;
  std::vector<int64_t> expected(all.items.begin(), all.items.begin() + 3 * n);
  expected.insert(expected.end(), all.items.begin() + 5 * n,
                  all.items.begin() + (rows - 1) * n);
  EXPECT_EQ(some.items, expected);
  batcher.Next(1, skip, &cursor);
  EXPECT_EQ(cursor, (DataCursor{1, 3}));
}

TEST(Batcher, PacksTightly) {
  const std::vector<Document> documents = Documents(1000, 100);
  Batcher batcher(documents, Options(512, 8));
  const Batch batch = Epoch(&batcher, 0);
  const double used = static_cast<double>(batch.real_items) /
                      static_cast<double>(batch.rows * batch.sequence);
  // Rounding to blocks alone costs 7 % here.
  EXPECT_GT(used, 0.88);
}

TEST(Batcher, EveryPieceOfALongAnswerHoldsTheEndOfItsPrompt) {
  for (const auto& [prompt, answer] : std::vector<std::pair<int, int>>{
           {200, 800}, {1000, 400}, {2000, 200}, {3000, 3000}}) {
    const std::vector<Document> documents = {CompletionDocument(
        std::string(prompt, 'p') + "?", std::string(answer, 'a'))};
    Batcher batcher(documents, Options(512, 8));
    const Batch batch = Epoch(&batcher, 0);
    EXPECT_EQ(batch.trained_items, answer + 1);
    int64_t held = 0;  // of the trained items, those behind a prompt's end
    for (size_t i = 0; i < batch.items.size(); ++i) {
      bool behind = false;
      for (size_t k = i; k % batch.sequence > 1;) {
        --k;
        if (batch.segments[k] != batch.segments[i]) break;
        behind = behind || (batch.items[k] == kSep && batch.items[k - 1] == '?');
      }
      held += batch.trained[i] && behind;
    }
    EXPECT_EQ(held, batch.trained_items) << prompt << "/" << answer;
    const auto real = std::count_if(batch.items.begin(), batch.items.end(),
                                    [](int64_t item) { return item != kPad; });
    EXPECT_EQ(batch.real_items, real);
  }
}

TEST(Batcher, PiecesWithoutTrainedItemsAreLeftOut) {
  const std::vector<Document> documents = {
      CompletionDocument(std::string(200, 'p'), "yes")};
  Batcher batcher(documents, Options(64, 8));
  const Batch batch = Epoch(&batcher, 0);
  EXPECT_EQ(batch.rows, 1);
  EXPECT_EQ(batch.trained_items, 4);
  const std::vector<Document> none = {LabelledDocument("abc", "")};
  Batcher nothing(none, Options(64, 8));
  EXPECT_TRUE(nothing.empty());
}

}  // namespace
}  // namespace strata
