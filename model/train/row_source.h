#pragma once
// RowSource: documents as rows of `sequence` items, in an order that is a pure function
// of (documents, options, epoch), so that a cursor of two numbers resumes exactly. How
// rows are made of documents is the subclass's (model/train/batcher.h,
// lane_batcher.h); this is what they share.
//
// A document in pieces: every piece begins with kSos, so that it looks like what serving
// feeds, and is padded with kPad to a multiple of `block_bytes` (S_top of the model), so
// that no two pieces share a block at any level. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/chat_template.h"
#include "model/train/data_cursor.h"
#include "model/train/document_cuts.h"

namespace strata {

struct Batch {
  int64_t rows = 0;
  int64_t sequence = 0;
  // Row-major [rows, sequence].
  std::vector<int64_t> items;     // kPad where nothing is
  std::vector<int64_t> segments;  // piece within the row, from 0; its pads too.
                                  // The unused end of a row is a piece as well
  std::vector<uint8_t> trained;
  // Of each row: its first piece began in the same row of the batch before it.
  std::vector<uint8_t> continues;
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

class RowSource {
 public:
  virtual ~RowSource() = default;

  // Recorded in checkpoints: changes whenever the same cursor would mean other rows.
  virtual int version() const = 0;
  // Rows of an epoch.
  virtual int64_t Rows(int64_t epoch) = 0;
  // The next `rows` rows, across the end of an epoch where it comes to that, jumping
  // over `skip`. Moves the cursor behind them. REQUIRES: !empty().
  virtual Batch Next(int64_t rows, absl::Span<const DataWindow> skip,
                     DataCursor* cursor) = 0;

  // True when there is nothing to train on.
  bool empty() { return Rows(0) == 0; }
};

// --- for subclasses -----------------------------------------------------------

struct Piece {
  int64_t document;
  DocumentCut cut;
};

// The pieces of an epoch, each of at most `most` items with its kSos, in the epoch's
// order. Those of texts lie in a grid that shifts from epoch to epoch where
// `shift_cuts` is set; a document that fits is never cut.
std::vector<Piece> CutEpoch(absl::Span<const Document> documents,
                            const BatcherOptions& options, int64_t most,
                            int64_t epoch);

// With kSos and pads.
int64_t PaddedItems(const Piece& piece, const BatcherOptions& options);

// Appends one row to a batch, piece by piece.
class RowWriter {
 public:
  RowWriter(int64_t sequence, Batch* batch);
  ~RowWriter();  // the rest of the row is unused
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;

  // Items [begin, end) of a piece, kSos and pads counted.
  void Add(const Document& document, const DocumentCut& cut, int64_t begin,
           int64_t end);

 private:
  Batch* const batch_;
  size_t at_;
  int64_t segment_ = 0;
};

}  // namespace strata
