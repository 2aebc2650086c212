#include "model/train/datastore_pieces.h"

#include <algorithm>
#include <utility>

namespace strata {

std::vector<DatastorePiece> CutPieces(absl::Span<const Document> documents,
                                      int64_t sequence) {
  std::vector<DatastorePiece> pieces;
  const int64_t room = sequence - 1;
  for (size_t d = 0; d < documents.size(); ++d) {
    for (const DocumentCut& cut : CutDocument(documents[d], room, room)) {
      DatastorePiece piece{static_cast<int64_t>(d), cut, 0};
      ForEachItem(documents[d], cut,
                  [&](Item, bool trained) { piece.entries += trained; });
      if (piece.entries > 0) pieces.push_back(piece);
    }
  }
  return pieces;
}

int64_t EntriesOf(absl::Span<const DatastorePiece> pieces) {
  int64_t entries = 0;
  for (const DatastorePiece& piece : pieces) entries += piece.entries;
  return entries;
}

std::vector<DatastorePiece> EvenPieces(std::vector<DatastorePiece> pieces,
                                       int64_t most) {
  const int64_t all = EntriesOf(pieces);
  if (all <= most) return pieces;
  std::vector<DatastorePiece> kept;
  int64_t seen = 0, entries = 0;
  for (DatastorePiece& piece : pieces) {
    seen += piece.entries;
    // As long as those kept are no larger a part of `most` than those seen are of all.
    const double due = static_cast<double>(most) / static_cast<double>(all) *
                       static_cast<double>(seen);
    if (static_cast<double>(entries + piece.entries) > due) continue;
    entries += piece.entries;
    kept.push_back(piece);
  }
  return kept;
}

}  // namespace strata
