#include "model/train/split.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>


namespace strata {
namespace {

// In [0, 1), from the items alone: FNV-1a with a finalizer (the high bits of
// plain FNV of short inputs are poor).
double ContentPosition(const Document& document) {
  uint64_t hash = 0xCBF29CE484222325;
  for (int64_t i = 0; i < document.size(); ++i) {
    hash = (hash ^ static_cast<uint64_t>(document.item(i))) * 0x100000001B3;
  }
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCD;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53;
  hash ^= hash >> 33;
  return static_cast<double>(hash >> 11) * 0x1.0p-53;
}

DataSplit SplitByContent(std::vector<Document> documents, double fraction) {
  std::vector<double> positions;
  positions.reserve(documents.size());
  for (const Document& d : documents) positions.push_back(ContentPosition(d));
  const auto [low, high] =
      std::minmax_element(positions.begin(), positions.end());
  DataSplit split;
  // All equal (or one): nothing can be spared.
  const bool splits = low != positions.end() && *low < *high;
  // At least the lowest, never the highest.
  const double limit =
      splits ? std::min(std::max(fraction, std::nextafter(*low, 1.0)), *high)
             : 0.0;
  for (size_t i = 0; i < documents.size(); ++i) {
    auto& side = positions[i] < limit ? split.held_out : split.train;
    side.push_back(std::move(documents[i]));
  }
  return split;
}

DataSplit SplitTail(std::vector<Document> documents, double fraction) {
  int64_t total = 0;
  for (const Document& d : documents) total += d.size();
  int64_t wanted = static_cast<int64_t>(fraction * static_cast<double>(total));
  DataSplit split;
  while (wanted > 1 && !documents.empty()) {
    Document& last = documents.back();
    const int64_t size = last.size();
    if (size <= wanted && documents.size() > 1) {
      split.held_out.push_back(std::move(last));
      documents.pop_back();
    } else {
      const int64_t keep = size - std::min(wanted, size / 2);
      Document tail = last.TakeTail(keep);
      if (tail.size() > 0) split.held_out.push_back(std::move(tail));
      break;
    }
    wanted -= size;
  }
  std::reverse(split.held_out.begin(), split.held_out.end());
  split.train = std::move(documents);
  return split;
}

}  // namespace

DataSplit SplitDataset(Dataset dataset, double fraction) {
  DataSplit split;
  if (fraction <= 0) {
    split.train = std::move(dataset.documents);
  } else if (dataset.kind == TemplateKind::kText) {
    split = SplitTail(std::move(dataset.documents), fraction);
  } else {
    split = SplitByContent(std::move(dataset.documents), fraction);
  }
  split.is_text = dataset.kind == TemplateKind::kText;
  return split;
}

}  // namespace strata
