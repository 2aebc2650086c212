#include "client/inspect/picture.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/inspect/arcs.h"
#include "client/inspect/names.h"
#include "client/inspect/rows.h"
#include "client/inspect/strips.h"
#include "client/inspect/svg_writer.h"

namespace strata {
namespace {

constexpr double kLegendHeight = 168;
constexpr double kStripGap = 30;
constexpr double kRowGap = 6;

constexpr char kStyle[] =
    "text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:11px;fill:#202020}"
    ".byte,.blank,.hex,.special{font-family:'DejaVu Sans Mono',monospace;text-anchor:middle}"
    ".byte{font-size:12px}.blank{font-size:12px;fill:#505070}"
    ".hex{font-size:7.5px;fill:#404060}.special{font-size:9px;fill:#606060}"
    ".offset{font-size:6.5px;fill:#606060;text-anchor:middle}"
    ".number{font-size:8px;fill:#50607a}"
    ".side{text-anchor:end;font-size:10px}.small{text-anchor:end;font-size:8.5px;fill:#606060}"
    ".title{font-size:15px;font-weight:bold}.note{font-size:10px;fill:#404040}"
    ".arcs path{fill:none;stroke-linecap:round}";

const v1::InspectedStack* StackOf(const v1::InspectedLevel& level, v1::StackKind kind) {
  for (const v1::InspectedStack& stack : level.stacks()) {
    if (stack.kind() == kind && stack.maps_size() > 0) return &stack;
  }
  return nullptr;
}

class Picture {
 public:
  Picture(const std::string& text, const v1::InspectResponse& response)
      : text_(text), response_(response) {}

  std::string Draw() {
    const int64_t columns = static_cast<int64_t>(text_.size()) + kFirstByteColumn;
    const int64_t drawn = std::min(columns, kMaxStrips * kStripColumns);
    DrawLegend();
    double y = kLegendHeight;
    for (int64_t begin = 0; begin < drawn; begin += kStripColumns) {
      y = DrawStrip({begin, std::min(begin + kStripColumns, drawn)}, y) + kStripGap;
    }
    if (drawn < columns) {
      svg_.Text(kLeftMargin, y, absl::StrFormat(
          "The first %d of %d bytes are drawn; --json has all.", drawn - kFirstByteColumn,
          text_.size()), {{"class", "note"}});
      y += kStripGap;
    }
    const double width =
        kLeftMargin + static_cast<double>(kStripColumns) * kCellWidth + kRightMargin;
    return svg_.Document(width, y, absl::StrCat("strata inspect ", response_.model()), kStyle);
  }

 private:
  // Returns the y below it.
  double DrawStrip(const Strip& strip, double y) {
    bool bytes_drawn = false;
    for (int i = response_.levels_size() - 1; i >= 0; --i) {
      const v1::InspectedLevel& level = response_.levels(i);
      bytes_drawn = level.level() == 0;
      y = DrawLevel(level, strip, y);
    }
    // Also where nobody asked for their level.
    return bytes_drawn ? y : DrawByteRow(strip, y);
  }

  double DrawLevel(const v1::InspectedLevel& level, const Strip& strip, double y) {
    for (const v1::StackKind kind : {v1::STACK_KIND_BRIDGE, v1::STACK_KIND_ENCODER}) {
      if (const auto* stack = StackOf(level, kind)) y = DrawAbove(level, *stack, strip, y);
    }
    if (level.level() == 0) {
      y = DrawByteRow(strip, y);
    } else {
      Side(absl::StrCat("level ", level.level()), y + 16, "side");
      Side(absl::StrCat(level.items_size(), " items"), y + 28, "small");
      const v1::InspectedLevel* below = LevelBelow(level);
      DrawUnits(level, below, below == nullptr ? 1 : TallestBar(below->pooling()), strip, y,
                &svg_);
      y += kUnitRowHeight;
    }
    for (const v1::InspectedStack& stack : level.stacks()) {
      const bool below =
          stack.kind() == v1::STACK_KIND_DECODER || stack.kind() == v1::STACK_KIND_STREAM;
      if (below && stack.maps_size() > 0) y = DrawBelow(level, stack, strip, y);
    }
    return y + kRowGap;
  }

  // A stack whose arcs stand on what is drawn next. Returns the y of that.
  double DrawAbove(const v1::InspectedLevel& level, const v1::InspectedStack& stack,
                   const Strip& strip, double y) {
    y += BandHeight(stack);
    Label(stack, y - kBandHeight / 2);
    DrawArcs({level.level(), &stack, &text_, y, /*upward=*/true}, strip, &svg_);
    return y;
  }

  // One whose arcs hang. Returns the y below it.
  double DrawBelow(const v1::InspectedLevel& level, const v1::InspectedStack& stack,
                   const Strip& strip, double y) {
    y += OwnRowHeight(stack);
    Label(stack, y + kBandHeight / 2);
    DrawArcs({level.level(), &stack, &text_, y, /*upward=*/false}, strip, &svg_);
    return y + BandHeight(stack);
  }

  double DrawByteRow(const Strip& strip, double y) {
    Side("bytes", y + 14, "side");
    Side("surprise", y + 26, "small");
    DrawBytes(text_, response_, strip, y, &svg_);
    return y + kByteRowHeight;
  }

  const v1::InspectedLevel* LevelBelow(const v1::InspectedLevel& level) const {
    for (const v1::InspectedLevel& other : response_.levels()) {
      if (other.level() == level.level() - 1) return &other;
    }
    return nullptr;
  }

  void Side(const std::string& words, double y, const char* css_class) {
    svg_.Text(kLeftMargin - 12, y, words, {{"class", css_class}});
  }

  void Label(const v1::InspectedStack& stack, double y) {
    if (stack.kind() == v1::STACK_KIND_BRIDGE) return Side("bridge, contexts", y, "small");
    Side(absl::StrCat(StackName(stack), ", ", stack.scope()), y, "small");
    Side(absl::StrFormat("layer %d (of %d)", DrawnLayer(stack), stack.layers()), y + 11, "small");
    if (stack.kind() != v1::STACK_KIND_STREAM) return;
    Side(absl::StrFormat("rate %d, stride %d", stack.rate(), stack.stride()), y + 22, "small");
  }

  void DrawLegend() {
    svg_.Text(kLeftMargin, 24, absl::StrFormat("%s: %d bytes, %.3f bits per byte",
                                               response_.model(), response_.bytes(),
                                               response_.bits_per_byte()),
              {{"class", "title"}});
    DrawSurpriseScale(48);
    DrawHeads(48);
    const char* const notes[] = {
        "An arc joins a position to what it attends to, in its head's colour, the bolder the "
        "heavier; encoders above their row, decoders below. A dot: itself. Dashed: in another "
        "line.",
        "A decoder's position stands where the byte is that it has read last, and predicts the "
        "next one (▷: the learned start, ◇: the marker that starts a text). Grey bars below a "
        "row: nodes of the tree.",
        "A bar in a box of an upper level: what the pool weighed of the item below, the mean "
        "of the heads, the tallest filling the box (grey: fixed by the rule).",
        "A bridge's arcs rise from a decoder's position to grey boxes above the row: contexts, "
        "what the level above said after the bytes up to there.",
        "Streams, slower than the decoder, lie below it, each with a row of grey boxes: its items, "
        "where they were made of the bytes before.",
    };
    double y = 78;
    for (const char* note : notes) {
      svg_.Text(kLeftMargin, y, note, {{"class", "note"}});
      y += 14;
    }
    svg_.Text(kLeftMargin, y,
              absl::StrFormat("Not drawn: links that weigh less than %.2f, and all but the %d "
                              "heaviest of a stack in a line.",
                              kFaintestArc, kMaxArcs),
              {{"class", "note"}});
  }

  void DrawSurpriseScale(double y) {
    svg_.Text(kLeftMargin, y, "surprise, bits:", {{"class", "note"}});
    for (int bits = 0; bits <= static_cast<int>(kMostSurprise); ++bits) {
      const double x = kLeftMargin + 84 + bits * 24;
      svg_.Rect(x, y - 11, 24, 15,
                {{"fill", SurpriseColour(bits)}, {"stroke", "#b0b0b0"}, {"stroke-width", "0.5"}});
      const bool last = bits == static_cast<int>(kMostSurprise);
      svg_.Text(x + 4, y, last ? absl::StrCat(bits, "+") : absl::StrCat(bits),
                {{"class", "note"}});
    }
  }

  void DrawHeads(double y) {
    int heads = 0;
    for (const v1::InspectedLevel& level : response_.levels()) {
      heads = std::max(heads, level.heads());
    }
    double x = kLeftMargin + 84 + 9 * 24 + 30;
    svg_.Text(x, y, "heads:", {{"class", "note"}});
    x += 42;
    for (int head = 0; head < std::min(heads, 12); ++head, x += 34) {
      svg_.Rect(x, y - 9, 12, 10, {{"fill", HeadColour(head)}});
      svg_.Text(x + 15, y, absl::StrCat(head), {{"class", "note"}});
    }
    x += 20;
    svg_.Text(x, y, "weight:", {{"class", "note"}});
    x += 48;
    for (const double weight : {0.1, 0.3, 1.0}) {
      svg_.Path(absl::StrCat("M", SvgNumber(x), " ", SvgNumber(y - 4), " h22"),
                {{"stroke", "#202020"},
                 {"stroke-opacity", ArcOpacity(weight)},
                 {"stroke-width", SvgNumber(ArcWidth(weight))}});
      svg_.Text(x + 25, y, absl::StrFormat("%.1f", weight), {{"class", "note"}});
      x += 52;
    }
  }

  const std::string& text_;
  const v1::InspectResponse& response_;
  SvgWriter svg_;
};

}  // namespace

std::string InspectionSvg(const std::string& text, const v1::InspectResponse& response) {
  return Picture(text, response).Draw();
}

}  // namespace strata
