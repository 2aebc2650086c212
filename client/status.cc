#include "client/status.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/field_flags.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace strata {
namespace {

constexpr size_t kMaxViolations = 5;

struct Violation {
  std::string field;
  std::string description;
};

struct Details {
  std::string reason;
  std::vector<Violation> violations;
};

Details ParseDetails(const std::string& bytes) {
  Details details;
  google::rpc::Status status;
  if (!status.ParseFromString(bytes)) return details;
  for (const auto& any : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    if (any.UnpackTo(&info)) {
      details.reason = info.reason();
    } else if (any.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        details.violations.push_back({violation.field(), violation.description()});
      }
    }
  }
  return details;
}

// Whether the message says it already, with its place ("line 3: …") or without.
bool Says(const std::string& message, const Violation& violation) {
  const std::string& text = violation.description;
  const size_t colon = text.find(": ");
  const size_t skip = absl::StartsWith(text, "line ") && colon != std::string::npos ? colon + 2 : 0;
  return absl::StrContains(message, absl::string_view(text).substr(skip));
}

// The message, and those violations that it does not hold already.
std::string Merge(std::string message, const Details& details) {
  std::vector<std::string> more;
  for (const Violation& violation : details.violations) {
    if (Says(message, violation)) continue;
    // "data" is the file that the user just named.
    const bool bare = violation.field.empty() || violation.field == "data" ||
                      absl::StrContains(violation.description, violation.field);
    more.push_back(bare ? violation.description
                        : absl::StrCat(violation.field, ": ", violation.description));
  }
  if (more.empty()) return message;
  const size_t shown = std::min(more.size(), kMaxViolations);
  absl::StrAppend(&message, message.empty() ? "" : ": ",
                  absl::StrJoin(more.begin(), more.begin() + shown, "; "));
  if (more.size() > shown) absl::StrAppend(&message, "; and ", more.size() - shown, " more");
  return message;
}

}  // namespace

std::string CodeName(grpc::StatusCode code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

bool IsTransient(grpc::StatusCode code) { return code == grpc::StatusCode::UNAVAILABLE; }

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const Details details = ParseDetails(status.error_details());
  std::vector<std::string> fields;
  for (const Violation& violation : details.violations) fields.push_back(violation.field);
  std::string message = NameFlags(Merge(status.error_message(), details), fields);
  for (char& c : message) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  if (details.reason == "MODEL_NOT_FOUND") {
    absl::StrAppend(&message, "; see strata models");
  } else if (details.reason == "MODEL_NOT_LOADED") {
    absl::StrAppend(&message, "; strata models load NAME@VERSION loads it");
  }
  absl::StrAppend(&message, message.empty() ? "[" : " [", CodeName(status.error_code()),
                  details.reason.empty() ? "" : ": ", details.reason, "]");
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
}

}  // namespace strata
