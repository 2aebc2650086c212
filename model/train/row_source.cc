#include "model/train/row_source.h"

#include <algorithm>

#include "model/base/random.h"
#include "model/items.h"
#include "model/train/shuffle.h"

namespace strata {
namespace {

// A stream of its own, so that cuts are independent of the order.
constexpr uint64_t kCutStream = uint64_t{2} << 62;

}  // namespace

std::vector<Piece> CutEpoch(absl::Span<const Document> documents,
                            const BatcherOptions& options, int64_t most,
                            int64_t epoch) {
  const int64_t room = most - 1;  // kSos takes one item
  std::vector<Piece> pieces;
  for (size_t i = 0; i < documents.size(); ++i) {
    int64_t first = room;
    if (options.shift_cuts && documents[i].size() > most) {
      const uint64_t bits = RandomBits(
          options.seed, kCutStream + static_cast<uint64_t>(epoch), i);
      first = 1 + static_cast<int64_t>(bits % static_cast<uint64_t>(room));
    }
    for (const DocumentCut& cut : CutDocument(documents[i], room, first)) {
      pieces.push_back({static_cast<int64_t>(i), cut});
    }
  }
  if (options.shuffle) ShuffleEpoch(options.seed, epoch, &pieces);
  return pieces;
}

int64_t PaddedItems(const Piece& piece, const BatcherOptions& options) {
  const int64_t blocks =
      (piece.cut.size() + options.block_bytes) / options.block_bytes;
  return blocks * options.block_bytes;
}

RowWriter::RowWriter(int64_t sequence, Batch* batch)
    : batch_(batch), at_(batch->items.size()) {
  batch->items.resize(at_ + sequence, kPad);
  batch->segments.resize(at_ + sequence);
  batch->trained.resize(at_ + sequence, 0);
  batch->continues.push_back(0);
  ++batch->rows;
}

RowWriter::~RowWriter() {
  std::fill(batch_->segments.begin() + at_, batch_->segments.end(), segment_);
}

void RowWriter::Add(const Document& document, const DocumentCut& cut, int64_t begin,
                    int64_t end) {
  std::fill_n(batch_->segments.begin() + at_, end - begin, segment_++);
  const int64_t prompt = cut.prompt_end - cut.prompt_begin;
  const int64_t real = std::min(end, cut.size() + 1);
  size_t to = at_;
  for (int64_t k = begin; k < real; ++k, ++to) {
    if (k == 0) {
      batch_->items[to] = kSos;
    } else if (k <= prompt) {
      batch_->items[to] = document.item(cut.prompt_begin + k - 1);
    } else {
      const int64_t i = cut.begin + k - 1 - prompt;
      const bool trained = i >= cut.train_from && document.trained(i);
      batch_->items[to] = document.item(i);
      batch_->trained[to] = trained ? 1 : 0;
      batch_->trained_items += trained;
    }
  }
  batch_->real_items += static_cast<int64_t>(to - at_);
  at_ += end - begin;
}

}  // namespace strata
