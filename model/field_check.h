#pragma once
// What the configs of both kinds of model ask of their fields, in the same
// words. Errors are INVALID_ARGUMENT "FIELD: why". Pure functions, thread-safe.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace strata {

absl::Status BadField(absl::string_view field, absl::string_view why);
absl::Status InRange(absl::string_view field, int64_t value, int64_t low,
                     int64_t high);
// 0, where `where` says what has no use for it: "is 4; must be left out where …".
absl::Status LeftOut(absl::string_view field, int64_t value, absl::string_view where);
// A level's dim, heads and ff_mult; `at` is its path with a dot.
absl::Status CheckWidths(const std::string& at, int dim, int heads,
                         int ff_mult);
absl::Status CheckDropout(double dropout);
absl::Status CheckRopeTheta(double theta);

}  // namespace strata
