#pragma once
// The attention of one stack in one strip of the picture: an arc for each strong
// link, from the position that looks to what it looks at, in the colour of its head,
// the more opaque the heavier.

#include <cstdint>
#include <string>
#include <vector>

#include "client/inspect/strips.h"
#include "client/inspect/svg_writer.h"
#include "strata/v1/inspect.pb.h"

namespace strata {

inline constexpr float kFaintestArc = 0.05f;
inline constexpr size_t kMaxArcs = 240;  // of a stack in a strip: the strongest
inline constexpr double kBandHeight = 66;

// "#1f77b4"; a dozen, then again from the first.
std::string HeadColour(int head);

// "0.58": of an arc of this weight; the faintest can still be seen.
std::string ArcOpacity(double weight);
// In pixels.
double ArcWidth(double weight);

// The layer of a stack that is drawn: the last that was asked for; -1: none.
int DrawnLayer(const v1::InspectedStack& stack);

// Of the row that a stream's items have, from the top of its band to where arcs hang; 0
// for other stacks, whose positions have a row already.
double OwnRowHeight(const v1::InspectedStack& stack);

// Height beside a row that the stack's arcs and nodes need, but for a row of its own.
double BandHeight(const v1::InspectedStack& stack);

struct Band {
  int level = 0;
  const v1::InspectedStack* stack = nullptr;
  const std::string* text = nullptr;  // for what is shown at the pointer
  double base = 0;                    // y of the row's edge that the arcs touch
  bool upward = false;                // else they hang
};

void DrawArcs(const Band& band, const Strip& strip, SvgWriter* svg);

}  // namespace strata
