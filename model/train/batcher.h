#pragma once
// Batcher: documents into rows of `sequence` items.
//
//   cut    A document longer than a row is cut; every piece starts with kSos,
//          so that a piece looks like what serving feeds, and trains items that
//          no other piece does. What comes before them depends on the document:
//          a text is cut end to end, in a grid that shifts from epoch to epoch;
//          an answer keeps its prompt (model/train/document_cuts.h).
//   pad    Pieces are padded to whole blocks (model/train/row_source.h).
//   pack   Best fit into the open rows, pieces taken in the epoch's order.
//
// Everything is a pure function of (documents, options, epoch), so a cursor of
// two numbers resumes exactly. An epoch trains every trained item once; no piece
// is without one. Not thread-safe.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/chat_template.h"
#include "model/train/row_source.h"

namespace strata {

// Recorded in checkpoints: changes whenever the same cursor would mean other rows.
inline constexpr int kPackingVersion = 2;

class Batcher final : public RowSource {
 public:
  // REQUIRES: `documents` outlive the batcher and stay as they are.
  Batcher(absl::Span<const Document> documents, BatcherOptions options);

  int version() const override { return kPackingVersion; }
  int64_t Rows(int64_t epoch) override;
  Batch Next(int64_t rows, absl::Span<const DataWindow> skip,
             DataCursor* cursor) override;

 private:
  void Pack(int64_t epoch);
  void FillRow(int64_t row, Batch* batch) const;

  const absl::Span<const Document> documents_;
  const BatcherOptions options_;
  int64_t packed_epoch_ = -1;
  std::vector<std::vector<Piece>> packed_;  // by row
};

}  // namespace strata
