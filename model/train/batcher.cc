#include "model/train/batcher.h"

#include <algorithm>
#include <map>
#include <utility>

#include "model/base/log.h"
#include "model/base/random.h"
#include "model/train/shuffle.h"

namespace strata {
namespace {

// A stream of its own, so that cuts are independent of the order.
constexpr uint64_t kCutStream = uint64_t{2} << 62;
// Rows that wait for a piece that fits; more would pack a little better and mix
// distant parts of the order a little more.
constexpr size_t kOpenRows = 64;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

Batcher::Batcher(absl::Span<const Document> documents, BatcherOptions options)
    : documents_(documents), options_(options) {
  STRATA_CHECK(options.block_bytes > 0 && options.sequence > 1 &&
               options.sequence % options.block_bytes == 0);
}

bool Batcher::empty() { return Rows(0) == 0; }

int64_t Batcher::Rows(int64_t epoch) {
  if (packed_epoch_ != epoch) Pack(epoch);
  return static_cast<int64_t>(packed_.size());
}

std::vector<Batcher::Piece> Batcher::Cut(int64_t epoch) const {
  const int64_t room = options_.sequence - 1;  // kSos takes one item
  std::vector<Piece> pieces;
  for (size_t i = 0; i < documents_.size(); ++i) {
    int64_t first = room;
    // A document that fits is never cut.
    if (options_.shift_cuts && documents_[i].size() > options_.sequence) {
      const uint64_t bits = RandomBits(
          options_.seed, kCutStream + static_cast<uint64_t>(epoch), i);
      first = 1 + static_cast<int64_t>(bits % static_cast<uint64_t>(room));
    }
    for (const DocumentCut& cut : CutDocument(documents_[i], room, first)) {
      pieces.push_back({static_cast<int64_t>(i), cut});
    }
  }
  return pieces;
}

void Batcher::Shuffle(int64_t epoch, std::vector<Piece>* pieces) const {
  ShuffleEpoch(options_.seed, epoch, pieces);
}

int64_t Batcher::PaddedItems(const Piece& piece) const {
  return RoundUp(piece.cut.size() + 1, options_.block_bytes);
}

void Batcher::Pack(int64_t epoch) {
  std::vector<Piece> pieces = Cut(epoch);
  if (options_.shuffle) Shuffle(epoch, &pieces);
  packed_.clear();
  std::multimap<int64_t, size_t> open;  // free items -> row
  for (const Piece& piece : pieces) {
    const int64_t size = PaddedItems(piece);
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
  const size_t start = batch->items.size();
  batch->items.resize(start + options_.sequence, kPad);
  batch->segments.resize(start + options_.sequence);
  batch->trained.resize(start + options_.sequence, 0);
  size_t at = start;
  int64_t segment = 0;
  for (const Piece& piece : packed_[row]) {
    const Document& document = documents_[piece.document];
    size_t to = at;
    batch->items[to++] = kSos;
    ForEachItem(document, piece.cut, [&](Item item, bool trained) {
      batch->items[to] = item;
      batch->trained[to++] = trained ? 1 : 0;
      batch->trained_items += trained;
    });
    batch->real_items += static_cast<int64_t>(to - at);
    const size_t end = at + PaddedItems(piece);
    std::fill(batch->segments.begin() + at, batch->segments.begin() + end,
              segment++);
    at = end;
  }
  std::fill(batch->segments.begin() + at, batch->segments.end(), segment);
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
    ++batch.rows;
  }
  return batch;
}

}  // namespace strata
