#include "model/field_check.h"

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"

namespace strata {

absl::Status BadField(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

absl::Status InRange(absl::string_view field, int64_t value, int64_t low,
                     int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  if (low == 0 && high == 0) {
    return BadField(field, absl::StrCat("is ", value, "; must be left out or 0"));
  }
  return BadField(field, absl::StrCat("is ", value, "; must be in [", low,
                                      ", ", high, "]"));
}

absl::Status LeftOut(absl::string_view field, int64_t value, absl::string_view where) {
  if (value == 0) return absl::OkStatus();
  return BadField(field, absl::StrCat("is ", value, "; must be left out where ", where));
}

absl::Status CheckWidths(const std::string& at, int dim, int heads,
                         int ff_mult) {
  STRATA_RETURN_IF_ERROR(InRange(at + "dim", dim, 2, 16384));
  STRATA_RETURN_IF_ERROR(InRange(at + "heads", heads, 1, 256));
  if (dim % (2 * heads) != 0) {
    return BadField(at + "dim", absl::StrCat("is ", dim,
                                             "; must be a multiple of "
                                             "2 * heads = ",
                                             2 * heads));
  }
  return InRange(at + "ff_mult", ff_mult, 1, 16);
}

absl::Status CheckDropout(double dropout) {
  if (dropout >= 0.0 && dropout < 1.0) return absl::OkStatus();
  return BadField("dropout",
                  absl::StrCat("is ", dropout, "; must be in [0, 1)"));
}

absl::Status CheckRopeTheta(double theta) {
  if (theta >= 1.0 && theta <= 1e12) return absl::OkStatus();
  return BadField("rope_theta",
                  absl::StrCat("is ", theta, "; must be in [1, 1e12]"));
}

}  // namespace strata
