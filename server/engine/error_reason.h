#pragma once
// Machine-readable reasons on absl::Status, carried to the client as
// google.rpc.ErrorInfo.reason by server/rpc/status.h. UPPER_SNAKE_CASE.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace strata {

inline constexpr char kReasonUrl[] = "strata.v1/reason";

inline absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReasonUrl, absl::Cord(reason));
  return status;
}

// Empty when none is attached.
inline std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonUrl);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace strata
