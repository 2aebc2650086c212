#include "model/train/lane_batcher.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "model/base/log.h"
#include "model/train/shuffle.h"

namespace strata {
namespace {

// Of the items of all documents, with each one's kSos.
int64_t LaneShare(absl::Span<const Document> documents, int64_t lanes,
                  const BatcherOptions& options) {
  int64_t items = 0;
  for (const Document& document : documents) items += document.size() + 1;
  const int64_t share = (items + lanes - 1) / lanes;
  return std::max(options.sequence, share);
}

}  // namespace

LaneBatcher::LaneBatcher(absl::Span<const Document> documents, int64_t lanes,
                         BatcherOptions options)
    : documents_(documents), lanes_(lanes), options_(options) {
  STRATA_CHECK(lanes > 0 && options.block_bytes > 0 && options.sequence > 1 &&
               options.sequence % options.block_bytes == 0);
}

int64_t LaneBatcher::Rows(int64_t epoch) {
  if (laid_epoch_ != epoch) Lay(epoch);
  return segments_ * lanes_;
}

std::vector<size_t> LaneBatcher::ChooseLanes(const std::vector<Piece>& pieces) const {
  std::vector<size_t> by_size(pieces.size());
  std::iota(by_size.begin(), by_size.end(), 0);
  std::stable_sort(by_size.begin(), by_size.end(), [&](size_t a, size_t b) {
    return pieces[a].cut.size() > pieces[b].cut.size();
  });
  std::set<std::pair<int64_t, size_t>> by_length;  // items so far, lane
  for (size_t lane = 0; lane < laid_.size(); ++lane) by_length.emplace(0, lane);
  std::vector<size_t> lane_of(pieces.size());
  for (const size_t i : by_size) {
    const auto [length, lane] = *by_length.begin();
    lane_of[i] = lane;
    by_length.erase(by_length.begin());
    by_length.emplace(length + PaddedItems(pieces[i], options_), lane);
  }
  return lane_of;
}

void LaneBatcher::Lay(int64_t epoch) {
  const std::vector<Piece> pieces = CutEpoch(
      documents_, options_, LaneShare(documents_, lanes_, options_), epoch);
  laid_.assign(static_cast<size_t>(lanes_), {});
  const std::vector<size_t> lane_of = ChooseLanes(pieces);
  int64_t longest = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::vector<LanePiece>& lane = laid_[lane_of[i]];
    const int64_t begin = lane.empty() ? 0 : lane.back().end;
    lane.push_back({pieces[i], begin, begin + PaddedItems(pieces[i], options_)});
    longest = std::max(longest, lane.back().end);
  }
  segments_ = (longest + options_.sequence - 1) / options_.sequence;
  laid_epoch_ = epoch;
}

void LaneBatcher::FillRow(const std::vector<LanePiece>& lane, int64_t segment,
                          bool jumped, Batch* batch) const {
  const int64_t begin = segment * options_.sequence;
  const int64_t end = begin + options_.sequence;
  RowWriter writer(options_.sequence, batch);
  auto piece = std::upper_bound(
      lane.begin(), lane.end(), begin,
      [](int64_t at, const LanePiece& p) { return at < p.end; });
  batch->continues.back() =
      piece != lane.end() && piece->begin < begin && !jumped ? 1 : 0;
  for (; piece != lane.end() && piece->begin < end; ++piece) {
    writer.Add(documents_[piece->piece.document], piece->piece.cut,
               std::max(begin, piece->begin) - piece->begin,
               std::min(end, piece->end) - piece->begin);
  }
}

Batch LaneBatcher::Next(int64_t rows, absl::Span<const DataWindow> skip,
                        DataCursor* cursor) {
  STRATA_CHECK(rows == lanes_ && !empty());
  const DataCursor from = *cursor;
  SkipWindows(skip, cursor);
  while (cursor->row >= Rows(cursor->epoch)) {
    *cursor = {cursor->epoch + 1, 0};
    SkipWindows(skip, cursor);
  }
  STRATA_CHECK(cursor->row % lanes_ == 0);
  Batch batch;
  batch.sequence = options_.sequence;
  for (const std::vector<LanePiece>& lane : laid_) {
    FillRow(lane, cursor->row / lanes_, *cursor != from, &batch);
  }
  cursor->row += rows;
  return batch;
}

}  // namespace strata
