#pragma once
// Which parts of a dataset go into a datastore, and in which order: every trained item
// is an entry. Torch-free, pure functions: the same for every attempt.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/train/document_cuts.h"

namespace strata {

struct DatastorePiece {
  int64_t document = 0;  // index
  DocumentCut cut;
  int64_t entries = 0;  // at least one
};

// The documents in pieces of at most `sequence` items, kSos counted, each as training
// cuts it, in order. `documents`: REQUIRES sequence >= 2.
std::vector<DatastorePiece> CutPieces(absl::Span<const Document> documents,
                                      int64_t sequence);

int64_t EntriesOf(absl::Span<const DatastorePiece> pieces);

// Pieces that lie evenly in all and have `most` entries at most, all of them where they
// have no more; none where `most` is less than one piece has.
std::vector<DatastorePiece> EvenPieces(std::vector<DatastorePiece> pieces,
                                       int64_t most);

}  // namespace strata
