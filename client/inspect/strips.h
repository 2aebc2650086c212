#pragma once
// Where things lie in the picture of an inspection. A text is a row of columns: one
// for the learned start, one for the marker that starts every text, then one a byte.
// Rows too long for a page are cut into strips of equal length, one below another.
// Pure functions on plain values.

#include <algorithm>
#include <cstdint>

#include "strata/v1/inspect.pb.h"

namespace strata {

inline constexpr int64_t kStripColumns = 80;
inline constexpr int64_t kMaxStrips = 16;
inline constexpr double kCellWidth = 15;
inline constexpr double kLeftMargin = 96;
inline constexpr double kRightMargin = 24;
inline constexpr int64_t kFirstByteColumn = 2;  // behind start and marker

struct ColumnRange {
  int64_t begin = 0;
  int64_t end = 0;  // past the last
};

// Of a text's bytes [begin, end), with the marker where `marked` and begin is 0. An
// empty range is the marker alone.
inline ColumnRange ColumnsOfBytes(int64_t begin, int64_t end, bool marked) {
  if (begin == end) return {1, kFirstByteColumn};
  return {begin == 0 && marked ? 1 : begin + kFirstByteColumn, end + kFirstByteColumn};
}

inline ColumnRange ColumnsOfItem(int level, const v1::ByteSpan& item) {
  return ColumnsOfBytes(item.begin_byte(), item.end_byte(), /*marked=*/level > 0);
}

inline ColumnRange ColumnsOfKey(int level, const v1::InspectedKey& key) {
  if (key.kind() == v1::KEY_KIND_START) return {0, 1};
  // At the last byte before its unit.
  if (key.kind() == v1::KEY_KIND_PREFIX || key.kind() == v1::KEY_KIND_CONTEXT) {
    if (key.end_byte() == 0) return {0, 1};
    return {key.end_byte() - 1 + kFirstByteColumn, key.end_byte() + kFirstByteColumn};
  }
  ColumnRange range = ColumnsOfBytes(key.begin_byte(), key.end_byte(),
                                     level > 0 || key.kind() == v1::KEY_KIND_NODE);
  if (key.kind() == v1::KEY_KIND_NODE && key.begin_byte() == 0) range.begin = 0;
  return range;
}

// Some columns of all, drawn from `left`.
struct Strip {
  int64_t begin = 0;
  int64_t end = 0;

  double X(int64_t column) const {
    return kLeftMargin + static_cast<double>(column - begin) * kCellWidth;
  }
  double left() const { return kLeftMargin; }
  double right() const { return X(end); }
  bool Shows(const ColumnRange& range) const { return range.begin < end && range.end > begin; }
  // Of what is shown of a range.
  double Left(const ColumnRange& range) const { return X(std::max(range.begin, begin)); }
  double Right(const ColumnRange& range) const { return X(std::min(range.end, end)); }
  double Middle(const ColumnRange& range) const { return (Left(range) + Right(range)) / 2; }
  // The one strip that holds the middle of a range.
  bool Owns(const ColumnRange& range) const {
    const int64_t middle = (range.begin + range.end - 1) / 2;
    return middle >= begin && middle < end;
  }
};

}  // namespace strata
