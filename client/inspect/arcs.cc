#include "client/inspect/arcs.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/inspect/names.h"

namespace strata {
namespace {

constexpr double kNodeRow = 10;  // of the nodes of one height, or of contexts
constexpr double kNodeHeight = 6;
constexpr size_t kNamedBytes = 24;

struct Arc {
  int32_t query = 0;
  int32_t key = 0;
  int head = 0;
  float weight = 0;
};

int HighestNode(const v1::InspectedStack& stack) {
  int highest = -1;
  for (int i = stack.positions(); i < stack.keys_size(); ++i) {
    highest = std::max(highest, stack.keys(i).height());
  }
  return highest;
}

bool IsStream(const Band& band) { return band.stack->kind() == v1::STACK_KIND_STREAM; }

// Where a key stands. Items of a stream may overlap: each stands at the bytes that are
// new in it.
ColumnRange ColumnsOf(const Band& band, int key) {
  ColumnRange range = ColumnsOfKey(band.level, band.stack->keys(key));
  if (!IsStream(band) || key == 0) return range;
  range.begin = ColumnsOfKey(band.level, band.stack->keys(key - 1)).end;
  range.end = std::max(range.end, range.begin + 1);
  return range;
}

// Its edge that is next to the row.
double NodeY(const Band& band, int height) {
  const double away = kBandHeight + 4 + kNodeRow * height;
  return band.upward ? band.base - away : band.base + away;
}

// Strongest first, as many as are drawn.
std::vector<Arc> StrongArcs(const Band& band, const Strip& strip) {
  std::vector<Arc> arcs;
  const int layer = DrawnLayer(*band.stack);
  for (const v1::AttentionMap& map : band.stack->maps()) {
    if (map.layer() != layer) continue;
    for (int query = 0; query < map.rows_size(); ++query) {
      if (!strip.Owns(ColumnsOf(band, query))) continue;
      for (const v1::AttentionLink& link : map.rows(query).links()) {
        if (link.weight() < kFaintestArc) continue;
        arcs.push_back({query, link.key(), map.head(), link.weight()});
      }
    }
  }
  std::stable_sort(arcs.begin(), arcs.end(),
                   [](const Arc& a, const Arc& b) { return a.weight > b.weight; });
  arcs.resize(std::min(arcs.size(), kMaxArcs));
  return arcs;
}

std::string Point(double x, double y) { return absl::StrCat(SvgNumber(x), " ", SvgNumber(y)); }

// A bow between two places on the row's edge. Those of several heads between the
// same places lie beside one another.
std::string Bow(const Band& band, double from, double to, double width, int head) {
  const double reach = std::sqrt(std::min(1.0, std::fabs(to - from) / width));
  const double apex = 8 + (kBandHeight - 20) * reach + 2.5 * (head % 4);
  const double control = band.base + (band.upward ? -2 : 2) * apex;
  return absl::StrCat("M", Point(from, band.base), " Q", Point((from + to) / 2, control), " ",
                      Point(to, band.base));
}

// From a position to a node, or to a context.
std::string Drop(const Band& band, double from, double to, double node) {
  const double half = (band.base + node) / 2;
  return absl::StrCat("M", Point(from, band.base), " C", Point(from, half), " ",
                      Point(to, half), " ", Point(to, node));
}

void DrawArc(const Band& band, const Strip& strip, const Arc& arc, SvgWriter* svg) {
  const v1::InspectedKey& query = band.stack->keys(arc.query);
  const v1::InspectedKey& key = band.stack->keys(arc.key);
  const ColumnRange to = ColumnsOf(band, arc.key);
  const double from_x = strip.Middle(ColumnsOf(band, arc.query));
  const bool here = strip.Shows(to);
  const bool before = to.end <= strip.begin;
  const double to_x = here ? strip.Middle(to) : before ? strip.left() - 6 : strip.right() + 6;
  const std::string colour = HeadColour(arc.head);
  const std::string title = absl::StrFormat("head %d: %s looks at %s: %.3f", arc.head,
                                            KeyName(*band.text, query, kNamedBytes),
                                            KeyName(*band.text, key, kNamedBytes), arc.weight);
  const std::string opacity = ArcOpacity(arc.weight);
  if (arc.query == arc.key) {
    const double side = band.upward ? -1 : 1;
    svg->Circle(from_x + 3.0 * (arc.head % 4) - 4.5, band.base + side * (4 + 4 * (arc.head / 4)),
                1.5 + arc.weight, {{"fill", colour}, {"fill-opacity", opacity}}, title);
    return;
  }
  SvgWriter::Attributes style = {{"stroke", colour},
                                 {"stroke-opacity", opacity},
                                 {"stroke-width", SvgNumber(ArcWidth(arc.weight))}};
  if (!here) style.push_back({"stroke-dasharray", "4 3"});
  svg->Path(arc.key >= band.stack->positions()
                ? Drop(band, from_x, to_x, NodeY(band, key.height()))
                : Bow(band, from_x, to_x, static_cast<double>(kStripColumns) * kCellWidth, arc.head),
            style, title);
}

void DrawBox(const Band& band, const Strip& strip, int key, double top, SvgWriter* svg) {
  const ColumnRange range = ColumnsOf(band, key);
  if (!strip.Shows(range)) return;
  std::string name = KeyName(*band.text, band.stack->keys(key), kNamedBytes);
  if (IsStream(band)) name = absl::StrCat(StackName(*band.stack), ", item ", key, ": ", name);
  svg->Rect(strip.Left(range) + 1, top, strip.Right(range) - strip.Left(range) - 2, kNodeHeight,
            {{"fill", "#e8e8e8"}, {"stroke", "#9a9a9a"}, {"stroke-width", "0.6"}}, name);
}

void DrawNodes(const Band& band, const Strip& strip, SvgWriter* svg) {
  const v1::InspectedStack& stack = *band.stack;
  for (int i = stack.positions(); i < stack.keys_size(); ++i) {
    const double y = NodeY(band, stack.keys(i).height());
    DrawBox(band, strip, i, band.upward ? y - kNodeHeight : y, svg);
  }
  if (!IsStream(band)) return;
  for (int i = 0; i < stack.positions(); ++i) {
    DrawBox(band, strip, i, band.base - kNodeHeight, svg);
  }
}

}  // namespace

std::string HeadColour(int head) {
  static constexpr const char* kColours[] = {
      "#1f77b4", "#d95f02", "#2ca02c", "#7b3fa0", "#c51b7d", "#8c564b",
      "#17a2b8", "#a08000", "#4d4d4d", "#e6194b", "#3cb4a0", "#5050ff"};
  return kColours[static_cast<size_t>(head) % std::size(kColours)];
}

std::string ArcOpacity(double weight) {
  return absl::StrFormat("%.2f", 0.15 + 0.85 * std::min(1.0, weight));
}

double ArcWidth(double weight) { return 0.6 + 1.6 * weight; }

int DrawnLayer(const v1::InspectedStack& stack) {
  return stack.maps_size() == 0 ? -1 : stack.maps(stack.maps_size() - 1).layer();
}

double OwnRowHeight(const v1::InspectedStack& stack) {
  return stack.kind() == v1::STACK_KIND_STREAM ? kNodeRow : 0;
}

double BandHeight(const v1::InspectedStack& stack) {
  if (stack.maps_size() == 0) return 0;
  const int highest = HighestNode(stack);
  return kBandHeight + (highest < 0 ? 0 : kNodeRow * (highest + 1) + 4);
}

void DrawArcs(const Band& band, const Strip& strip, SvgWriter* svg) {
  if (band.stack->maps_size() == 0) return;
  svg->BeginGroup("nodes");
  DrawNodes(band, strip, svg);
  svg->EndGroup();
  svg->BeginGroup("arcs");
  const std::vector<Arc> arcs = StrongArcs(band, strip);
  for (auto arc = arcs.rbegin(); arc != arcs.rend(); ++arc) DrawArc(band, strip, *arc, svg);
  svg->EndGroup();
}

}  // namespace strata
