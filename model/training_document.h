#pragma once
// One training document: items, each with a mark whether it counts in the loss.
// Two bytes an item, because a trainer holds its whole dataset. Plain value.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/items.h"

namespace strata {

class Document {
 public:
  void Reserve(int64_t items) { items_.reserve(static_cast<size_t>(items)); }
  void Append(Item item, bool trained) {
    items_.push_back(static_cast<uint16_t>(item | (trained ? kTrained : 0)));
  }
  void Append(absl::string_view bytes, bool trained) {
    for (const char c : bytes) Append(static_cast<uint8_t>(c), trained);
  }

  int64_t size() const { return static_cast<int64_t>(items_.size()); }
  Item item(int64_t i) const { return items_[i] & ~kTrained; }
  bool trained(int64_t i) const { return (items_[i] & kTrained) != 0; }
  int64_t TrainedItems() const {
    return std::count_if(items_.begin(), items_.end(),
                         [](uint16_t i) { return (i & kTrained) != 0; });
  }
  // As a model takes them.
  std::vector<Item> Items() const {
    std::vector<Item> items(items_.size());
    for (int64_t i = 0; i < size(); ++i) items[i] = item(i);
    return items;
  }
  // Items [begin, size), which this document loses.
  Document TakeTail(int64_t begin) {
    Document tail;
    tail.items_.assign(items_.begin() + begin, items_.end());
    items_.resize(static_cast<size_t>(begin));
    return tail;
  }

  std::string label;  // of a labelled text alone

  bool operator==(const Document&) const = default;

 private:
  static constexpr int kTrained = 1 << 15;
  static_assert(kVocab <= kTrained);
  std::vector<uint16_t> items_;
};

}  // namespace strata
