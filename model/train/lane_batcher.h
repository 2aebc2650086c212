#pragma once
// LaneBatcher: documents as lanes of segments, for models that carry a memory from one
// segment of a text to the next (model/segment_rule.h): row b of a batch goes on where
// row b of the batch before it ended.
//
//   cut    A document longer than a lane's share of the data is cut into pieces of at
//          most that share, as in model/train/batcher.h; so a single text feeds all
//          lanes, and few texts are cut at all.
//   lanes  Pieces go to the lane that is the shortest so far, long ones first; a lane
//          has its own in the epoch's order.
//   rows   Row r of an epoch is the segment r / lanes of lane r % lanes, `sequence`
//          items of it. Lanes that end early are padded.
//
// An epoch trains every trained item once. A batch may have none, where its lanes hold
// nothing but prompts. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/train/row_source.h"

namespace strata {

// Far from kPackingVersion: the same cursor means other rows there.
inline constexpr int kLaneVersion = 101;

class LaneBatcher final : public RowSource {
 public:
  // REQUIRES: `documents` outlive the batcher and stay as they are; lanes > 0.
  LaneBatcher(absl::Span<const Document> documents, int64_t lanes,
              BatcherOptions options);

  int64_t lanes() const { return lanes_; }

  int version() const override { return kLaneVersion; }
  int64_t Rows(int64_t epoch) override;
  // REQUIRES: rows == lanes(); the cursor was moved by this alone. Where it jumps over
  // a window, no row continues.
  Batch Next(int64_t rows, absl::Span<const DataWindow> skip,
             DataCursor* cursor) override;

 private:
  struct LanePiece {
    Piece piece;
    int64_t begin = 0;  // in its lane
    int64_t end = 0;
  };

  void Lay(int64_t epoch);
  // Of each piece.
  std::vector<size_t> ChooseLanes(const std::vector<Piece>& pieces) const;
  void FillRow(const std::vector<LanePiece>& lane, int64_t segment, bool jumped,
               Batch* batch) const;

  const absl::Span<const Document> documents_;
  const int64_t lanes_;
  const BatcherOptions options_;
  int64_t laid_epoch_ = -1;
  std::vector<std::vector<LanePiece>> laid_;
  int64_t segments_ = 0;  // of each lane
};

}  // namespace strata
