#include "model/train/document_cuts.h"

#include <algorithm>

namespace strata {
namespace {

// The first of items [at, limit) that is trained (or is not); `limit` if none.
int64_t Find(const Document& document, int64_t at, int64_t limit, bool trained) {
  while (at < limit && document.trained(at) != trained) ++at;
  return at;
}

class Cutter {
 public:
  Cutter(const Document& document, int64_t room)
      : document_(document),
        room_(room),
        start_(document.size() > 0 && document.item(0) == kSos ? 1 : 0) {}

  int64_t start() const { return start_; }

  // The piece that trains from item `at` on, which belongs to the turn that
  // begins at `turn`, with `limit` items at most.
  DocumentCut Piece(int64_t at, int64_t turn, int64_t limit) const {
    DocumentCut cut;
    if (at == turn) {
      const int64_t rest = document_.size() - at;
      const int64_t prompt = room_ - std::min(room_ - room_ / 2, rest);
      cut.begin = std::max(start_, at - prompt);
    } else if (turn > start_) {
      cut.prompt_begin = std::max(start_, turn - room_ / 4);
      cut.prompt_end = turn;
      cut.begin = std::max(turn, at - room_ / 4);
    } else {  // a text
      cut.begin = at;
    }
    cut.train_from = at;
    const int64_t prompt = cut.prompt_end - cut.prompt_begin;
    cut.end = End(at, std::min(document_.size(),
                               cut.begin + std::min(room_, limit) - prompt));
    return cut;
  }

 private:
  // Where a piece that trains from `at` on and has items up to `most` ends: with
  // the last turn that ends there, or at `most` where none does.
  int64_t End(int64_t at, int64_t most) const {
    int64_t end = Find(document_, at, most, false);
    while (end < most) {
      const int64_t turn = Find(document_, end, most, true);
      const int64_t next = Find(document_, turn, most, false);
      const bool whole = next < document_.size() ? !document_.trained(next) : true;
      if (turn == most || !whole) break;
      end = next;
    }
    return end;
  }

  const Document& document_;
  const int64_t room_;
  const int64_t start_;
};

}  // namespace

std::vector<DocumentCut> CutDocument(const Document& document, int64_t room,
                                     int64_t first_room) {
  const Cutter cutter(document, room);
  const int64_t size = document.size();
  const int64_t start = cutter.start();
  std::vector<DocumentCut> cuts;
  int64_t turn = Find(document, start, size, true);
  if (turn < size && size - start <= room) {
    return {{.begin = start, .end = size, .train_from = start}};
  }
  int64_t at = turn;
  while (at < size) {
    const bool first_of_text = cuts.empty() && turn == start;
    cuts.push_back(cutter.Piece(at, turn, first_of_text ? first_room : room));
    at = cuts.back().end;
    if (at < size && document.trained(at)) continue;  // the same turn goes on
    turn = at = Find(document, at, size, true);
  }
  return cuts;
}

}  // namespace strata
