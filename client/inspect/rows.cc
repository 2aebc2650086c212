#include "client/inspect/rows.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/inspect/arcs.h"
#include "client/inspect/glyphs.h"

namespace strata {
namespace {

constexpr int64_t kOffsetEvery = 10;
constexpr double kUnitLabel = 10;  // height that a unit's number takes

int Mixed(int from, int to, double share) {
  return from + static_cast<int>((to - from) * share + 0.5);
}

// `low`: its glyph stands under the character that it is a part of.
void DrawCell(unsigned char byte, size_t at, double bits, bool low, double x, double top,
              SvgWriter* svg) {
  const std::string glyph = ByteGlyph(byte);
  const bool hex = glyph.size() == 2;
  svg->Rect(x, top, kCellWidth, kByteRowHeight,
            {{"fill", SurpriseColour(bits)}, {"stroke", "#b0b0b0"}, {"stroke-width", "0.5"}},
            absl::StrFormat("byte %d, 0x%02x%s: %.2f bits", at, byte,
                            hex ? "" : absl::StrCat(" ", glyph), bits));
  svg->Text(x + kCellWidth / 2, top + (low ? 26 : 19), glyph,
            {{"class", hex ? "hex" : glyph.size() > 2 ? "blank" : "byte"}});
}

// Of each byte, whether it is part of a character of several.
std::vector<bool> WideBytes(const std::string& text) {
  std::vector<bool> wide(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = WideCharacterAt(text, at);
    std::fill_n(wide.begin() + static_cast<long>(at), length, true);
    at += std::max<size_t>(length, 1);
  }
  return wide;
}

// A character of several bytes, over all of its cells.
void DrawWide(const std::string& text, size_t at, size_t length, const Strip& strip, double top,
              SvgWriter* svg) {
  const auto begin = static_cast<int64_t>(at) + kFirstByteColumn;
  const ColumnRange range = {begin, begin + static_cast<int64_t>(length)};
  svg->Text(strip.Middle(range), top + 14, text.substr(at, length), {{"class", "byte"}});
}

void DrawSpecial(const char* name, const char* label, double x, double top, SvgWriter* svg) {
  svg->Rect(x, top, kCellWidth, kByteRowHeight,
            {{"fill", "#f0f0f0"}, {"stroke", "#b0b0b0"}, {"stroke-width", "0.5"}}, name);
  svg->Text(x + kCellWidth / 2, top + 19, label, {{"class", "special"}});
}

// The parts of the heads in what one item gave, one on another.
void DrawBar(const v1::PooledUnit& unit, int item, double x, double bottom, double scale,
             SvgWriter* svg) {
  const double width = std::min(9.0, kCellWidth * 0.6);
  double y = bottom;
  for (const v1::PoolingHead& head : unit.heads()) {
    const double weight = head.weights(item);
    const double height = weight / unit.heads_size() * scale;
    y -= height;
    svg->Rect(x - width / 2, y, width, height, {{"fill", HeadColour(head.head())}},
              absl::StrFormat("pool, head %d: item %d weighs %.3f", head.head(),
                              unit.begin_item() + item, weight));
  }
}

// What a rule without weights of its own gives to item `i` of `n`.
double TrivialWeight(const std::string& rule, int64_t i, int64_t n) {
  if (rule == "mean") return 1.0 / static_cast<double>(n);
  return rule == "last" && i + 1 == n ? 1 : 0;
}

void DrawBars(const v1::InspectedLevel& below, const v1::PooledUnit& unit, double scale,
              const Strip& strip, double bottom, SvgWriter* svg) {
  const v1::InspectedPooling& pooling = below.pooling();
  const int64_t count = unit.end_item() - unit.begin_item();
  for (int64_t i = 0; i < count; ++i) {
    const ColumnRange range =
        ColumnsOfItem(below.level(), below.items(static_cast<int>(unit.begin_item() + i)));
    if (!strip.Shows(range)) continue;
    const double x = strip.Middle(range);
    if (pooling.rule() == "attention") {
      DrawBar(unit, static_cast<int>(i), x, bottom, scale, svg);
      continue;
    }
    const double weight = TrivialWeight(pooling.rule(), i, count);
    if (weight == 0) continue;
    svg->Rect(x - 4, bottom - weight * scale, 8, weight * scale, {{"fill", "#8f9bb0"}},
              absl::StrFormat("pool: %s, %.3f", pooling.rule(), weight));
  }
}

}  // namespace

std::string SurpriseColour(double bits) {
  const double share = std::clamp(bits / kMostSurprise, 0.0, 1.0);
  if (share < 0.5) {
    return absl::StrFormat("#%02x%02x%02x", 255, Mixed(255, 224, share * 2),
                           Mixed(255, 128, share * 2));
  }
  return absl::StrFormat("#%02x%02x%02x", Mixed(255, 232, share * 2 - 1),
                         Mixed(224, 90, share * 2 - 1), Mixed(128, 70, share * 2 - 1));
}

double TallestBar(const v1::InspectedPooling& pooling) {
  double tallest = 0.001;
  for (const v1::PooledUnit& unit : pooling.units()) {
    const auto count = static_cast<int>(unit.end_item() - unit.begin_item());
    for (int i = 0; i < count; ++i) {
      double weight = TrivialWeight(pooling.rule(), i, count);
      for (const v1::PoolingHead& head : unit.heads()) {
        weight += head.weights(i) / unit.heads_size();
      }
      tallest = std::max(tallest, weight);
    }
  }
  return tallest;
}

void DrawBytes(const std::string& text, const v1::InspectResponse& response, const Strip& strip,
               double top, SvgWriter* svg) {
  svg->BeginGroup("bytes");
  if (strip.begin == 0) {
    DrawSpecial("the learned start", "▷", strip.X(0), top, svg);
    DrawSpecial("the marker that starts every text", "◇", strip.X(1), top, svg);
  }
  const std::vector<bool> wide_bytes = WideBytes(text);
  for (int64_t c = std::max(strip.begin, kFirstByteColumn); c < strip.end; ++c) {
    const auto at = static_cast<size_t>(c - kFirstByteColumn);
    DrawCell(static_cast<unsigned char>(text[at]), at,
             response.surprise_bits(static_cast<int>(at)), wide_bytes[at], strip.X(c), top, svg);
    if (at % kOffsetEvery == 0 && !wide_bytes[at]) {
      svg->Text(strip.X(c) + kCellWidth / 2, top + 28, absl::StrCat(at), {{"class", "offset"}});
    }
  }
  for (int64_t c = std::max(strip.begin, kFirstByteColumn); c < strip.end; ++c) {
    const auto at = static_cast<size_t>(c - kFirstByteColumn);
    const size_t wide = WideCharacterAt(text, at);
    if (wide > 0) DrawWide(text, at, wide, strip, top, svg);
  }
  svg->EndGroup();
}

void DrawUnits(const v1::InspectedLevel& level, const v1::InspectedLevel* below, double tallest,
               const Strip& strip, double top, SvgWriter* svg) {
  svg->BeginGroup("units");
  for (int j = 0; j < level.items_size(); ++j) {
    const ColumnRange range = ColumnsOfItem(level.level(), level.items(j));
    if (!strip.Shows(range)) continue;
    const double left = strip.Left(range) + 1;
    const double width = strip.Right(range) - strip.Left(range) - 2;
    svg->Rect(left, top, width, kUnitRowHeight,
              {{"fill", j % 2 == 0 ? "#eef3fa" : "#e0e9f5"},
               {"stroke", "#7a8aa5"},
               {"stroke-width", "0.7"},
               {"rx", "2"}},
              absl::StrFormat("level %d, item %d: bytes %d–%d", level.level(), j,
                              level.items(j).begin_byte(), level.items(j).end_byte()));
    svg->Text(left + 3, top + 9, absl::StrCat(j), {{"class", "number"}});
    if (below == nullptr) continue;
    DrawBars(*below, below->pooling().units(j),
             (kUnitRowHeight - kUnitLabel - 2) / tallest, strip, top + kUnitRowHeight - 1, svg);
  }
  svg->EndGroup();
}

}  // namespace strata
