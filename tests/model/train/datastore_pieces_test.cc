// What of a dataset goes into a datastore: every trained item once, or an even part.

#include "model/train/datastore_pieces.h"

#include <map>

#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/chat_template.h"

namespace strata {
namespace {

std::vector<Document> SomeDocuments(uint64_t seed) {
  std::vector<Document> documents;
  for (uint64_t i = 0; i < 12; ++i) {
    const auto text = [&](uint64_t stream) {
      return std::string(1 + RandomBits(seed, stream, i) % 400, 'a' + i % 26);
    };
    documents.push_back(i % 2 == 0 ? TextDocument(text(1), i % 4 == 0)
                                   : CompletionDocument(text(2), text(3)));
  }
  return documents;
}

TEST(DatastorePieces, HoldEveryTrainedItemOnceInPiecesThatFit) {
  for (const int64_t sequence : {2, 9, 64, 1000}) {
    const auto documents = SomeDocuments(1);
    std::map<int64_t, int64_t> entries;
    for (const DatastorePiece& piece : CutPieces(documents, sequence)) {
      EXPECT_LE(piece.cut.size() + 1, sequence);
      EXPECT_GE(piece.entries, 1);
      entries[piece.document] += piece.entries;
    }
    for (size_t d = 0; d < documents.size(); ++d) {
      EXPECT_EQ(entries[d], documents[d].TrainedItems()) << sequence << " " << d;
    }
  }
}

TEST(DatastorePieces, APartLiesEvenlyAndIsNearlyAsLargeAsItMay) {
  const std::vector<Document> documents = {
      TextDocument(std::string(100'000, 'x'), false)};
  const auto all = CutPieces(documents, 101);
  ASSERT_EQ(EntriesOf(all), 100'000);
  for (const int64_t most : {100'000, 200'000}) {
    EXPECT_EQ(EvenPieces(all, most).size(), all.size());
  }
  for (const int64_t most : {100, 999, 5'000, 60'000, 99'999}) {
    const auto kept = EvenPieces(all, most);
    EXPECT_LE(EntriesOf(kept), most);
    EXPECT_GT(EntriesOf(kept), most - 200);
    // In each tenth of the text a tenth of what is kept.
    int64_t first = 0;
    for (const DatastorePiece& piece : kept) first += piece.cut.begin < 10'000 ? 100 : 0;
    EXPECT_NEAR(static_cast<double>(first), most / 10.0, 200);
  }
  EXPECT_TRUE(EvenPieces(all, 99).empty());
}

}  // namespace
}  // namespace strata
