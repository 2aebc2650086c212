#pragma once
// The picture of an inspection: one SVG document that needs nothing beside it. From
// top to bottom, for each strip of the text: the levels, highest first, each with
// the arcs of its bridge and its encoder above its row and those of its decoder and
// its streams below; the bytes last. Text behind kMaxStrips strips is left out, which
// a note says.
// A pure function.

#include <string>

#include "strata/v1/inspect.pb.h"

namespace strata {

// `text`: the one that was inspected.
std::string InspectionSvg(const std::string& text, const v1::InspectResponse& response);

}  // namespace strata
