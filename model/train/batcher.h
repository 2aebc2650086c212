#pragma once
// Batcher: documents into rows of `sequence` items.
//
//   cut    A document longer than a row is cut; every piece starts with kSos,
//          so that a piece looks like what serving feeds, and trains items that
//          no other piece does. What comes before them depends on the document:
//          a text is cut end to end, in a grid that shifts from epoch to epoch;
//          an answer keeps its prompt (model/train/document_cuts.h).
//   pad    Each piece is padded with kPad to a multiple of `block_bytes` (S_top
//          of the model): no two pieces ever share a block at any level.
//   pack   Best fit into the open rows, pieces taken in the epoch's order.
//
// Everything is a pure function of (documents, options, epoch), so a cursor of
// two numbers resumes exactly. An epoch trains every trained item once; no piece
// is without one. Not thread-safe.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/chat_template.h"
#include "model/train/data_cursor.h"
#include "model/train/document_cuts.h"

namespace strata {

// Recorded in checkpoints: changes whenever the same cursor would mean other rows.
inline constexpr int kPackingVersion = 2;

struct Batch {
  int64_t rows = 0;
  int64_t sequence = 0;
  // Row-major [rows, sequence].
  std::vector<int64_t> items;     // kPad where nothing is
  std::vector<int64_t> segments;  // piece within the row, from 0; its pads too.
                                  // The unused end of a row is a piece as well
  std::vector<uint8_t> trained;
  int64_t real_items = 0;  // pads excluded, what a piece repeats included
  int64_t trained_items = 0;
};

struct BatcherOptions {
  int64_t sequence = 512;  // a multiple of block_bytes
  int64_t block_bytes = 1;
  uint64_t seed = 1;
  bool shuffle = true;      // false: pieces in the order of the documents
  bool shift_cuts = false;  // texts
};

class Batcher {
 public:
  // REQUIRES: `documents` outlive the batcher and stay as they are.
  Batcher(absl::Span<const Document> documents, BatcherOptions options);

  // True when there is nothing to train on.
  bool empty();
  // Rows of an epoch.
  int64_t Rows(int64_t epoch);
  // The next `rows` rows, across the end of an epoch where it comes to that,
  // jumping over `skip`. Moves the cursor behind them. REQUIRES: !empty().
  Batch Next(int64_t rows, absl::Span<const DataWindow> skip,
             DataCursor* cursor);

 private:
  struct Piece {
    int64_t document;
    DocumentCut cut;
  };

  std::vector<Piece> Cut(int64_t epoch) const;
  void Shuffle(int64_t epoch, std::vector<Piece>* pieces) const;
  int64_t PaddedItems(const Piece& piece) const;
  void Pack(int64_t epoch);
  void FillRow(int64_t row, Batch* batch) const;

  const absl::Span<const Document> documents_;
  const BatcherOptions options_;
  int64_t packed_epoch_ = -1;
  std::vector<std::vector<Piece>> packed_;  // by row
};

}  // namespace strata
