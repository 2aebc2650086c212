#include "model/train/batcher.h"

#include <algorithm>
#include <map>
#include <utility>

#include "model/base/log.h"
#include "model/train/shuffle.h"

namespace strata {
namespace {

// Rows that wait for a piece that fits; more would pack a little better and mix
// distant parts of the order a little more.
constexpr size_t kOpenRows = 64;

}  // namespace

Batcher::Batcher(absl::Span<const Document> documents, BatcherOptions options)
    : documents_(documents), options_(options) {
  STRATA_CHECK(options.block_bytes > 0 && options.sequence > 1 &&
               options.sequence % options.block_bytes == 0);
}

int64_t Batcher::Rows(int64_t epoch) {
  if (packed_epoch_ != epoch) Pack(epoch);
  return static_cast<int64_t>(packed_.size());
}

void Batcher::Pack(int64_t epoch) {
  const std::vector<Piece> pieces =
      CutEpoch(documents_, options_, options_.sequence, epoch);
  packed_.clear();
  std::multimap<int64_t, size_t> open;  // free items -> row
  for (const Piece& piece : pieces) {
    const int64_t size = PaddedItems(piece, options_);
    int64_t free = options_.sequence;
    size_t row = packed_.size();
    // Equal keys keep the order of insertion, so the choice is deterministic.
    const auto fit = open.lower_bound(size);
    if (fit != open.end()) {
      free = fit->first;
      row = fit->second;
      open.erase(fit);
    } else {
      packed_.emplace_back();
    }
    packed_[row].push_back(piece);
    if (free > size) open.emplace(free - size, row);
    if (open.size() > kOpenRows) open.erase(open.begin());  // the fullest
  }
  packed_epoch_ = epoch;
}

void Batcher::FillRow(int64_t row, Batch* batch) const {
  RowWriter writer(options_.sequence, batch);
  for (const Piece& piece : packed_[row]) {
    writer.Add(documents_[piece.document], piece.cut, 0, PaddedItems(piece, options_));
  }
}

Batch Batcher::Next(int64_t rows, absl::Span<const DataWindow> skip,
                    DataCursor* cursor) {
  STRATA_CHECK(!empty());
  Batch batch;
  batch.sequence = options_.sequence;
  while (batch.rows < rows) {
    SkipWindows(skip, cursor);
    if (cursor->row >= Rows(cursor->epoch)) {
      *cursor = {cursor->epoch + 1, 0};
      continue;
    }
    FillRow(cursor->row++, &batch);
  }
  return batch;
}

}  // namespace strata
