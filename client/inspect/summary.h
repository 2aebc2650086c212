#pragma once
// An inspection as lines for a terminal: the surprise of every byte, and for each
// stack the strongest links with the text that they join. A pure function.

#include <string>

#include "strata/v1/inspect.pb.h"

namespace strata {

// `text`: the one that was inspected.
std::string InspectionSummary(const std::string& text, const v1::InspectResponse& response);

}  // namespace strata
