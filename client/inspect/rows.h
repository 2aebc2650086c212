#pragma once
// The rows of the picture: the bytes of a text, coloured by how much they surprised
// the model, and above them the items of each upper level, each over the bytes that
// it stands for, with what the pool weighed as bars.

#include <string>

#include "client/inspect/strips.h"
#include "client/inspect/svg_writer.h"
#include "strata/v1/inspect.pb.h"

namespace strata {

inline constexpr double kMostSurprise = 8;  // bits: the last colour
inline constexpr double kByteRowHeight = 30;
inline constexpr double kUnitRowHeight = 36;

// White at 0 bits, over yellow to red at kMostSurprise.
std::string SurpriseColour(double bits);

void DrawBytes(const std::string& text, const v1::InspectResponse& response, const Strip& strip,
               double top, SvgWriter* svg);

// The items of an upper level. `below` is the level under it, or null; a bar of
// `tallest` fills a box.
void DrawUnits(const v1::InspectedLevel& level, const v1::InspectedLevel* below, double tallest,
               const Strip& strip, double top, SvgWriter* svg);

// The greatest weight that a pool gave an item, the mean over the heads; at least
// 0.001.
double TallestBar(const v1::InspectedPooling& pooling);

}  // namespace strata
