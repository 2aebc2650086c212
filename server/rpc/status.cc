#include "server/rpc/status.h"

#include <cctype>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "model/base/utf8.h"

namespace strata {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";
constexpr size_t kMaxMessage = 1024;
constexpr size_t kMaxDetails = 3072;

std::string TypeUrl(const google::protobuf::Message& message) {
  return absl::StrCat(kTypePrefix, message.GetDescriptor()->full_name());
}

template <typename M>
M Payload(const absl::Status& status) {
  M message;
  const auto payload = status.GetPayload(TypeUrl(message));
  if (payload.has_value()) message.ParseFromString(std::string(*payload));
  return message;
}

template <typename M>
void SetPayload(const M& message, absl::Status* status) {
  status->SetPayload(TypeUrl(message), absl::Cord(message.SerializeAsString()));
}

// Valid UTF-8 of at most `limit` bytes: messages quote what users sent, and a
// proto string with a stray byte would not be sent at all.
std::string Clean(absl::string_view text, size_t limit) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = Utf8Length(text.substr(i));
    if (out.size() + (n == 0 ? 1 : n) > limit) break;
    if (n == 0) {
      out += '?';
      ++i;
    } else {
      out.append(text.data() + i, n);
      i += n;
    }
  }
  return out;
}

std::string DefaultReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInternal: return "ENGINE_FAULT";
    case absl::StatusCode::kInvalidArgument: return "INVALID_FIELD";
    case absl::StatusCode::kUnavailable: return "UNAVAILABLE";
    case absl::StatusCode::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    default: return absl::StatusCodeToString(code);
  }
}

// Our sentences begin with the path of the field they are about.
std::string FieldOfMessage(absl::string_view message) {
  size_t end = 0;
  while (end < message.size() &&
         (std::islower(static_cast<unsigned char>(message[end])) ||
          std::isdigit(static_cast<unsigned char>(message[end])) ||
          absl::string_view("_.[]").find(message[end]) != absl::string_view::npos)) {
    ++end;
  }
  const bool path = end > 0 && std::islower(static_cast<unsigned char>(message[0])) &&
                    end < message.size() &&
                    (message[end] == ':' || absl::StartsWith(message.substr(end), " is "));
  return path ? std::string(message.substr(0, end)) : std::string();
}

void AddErrorInfo(const absl::Status& status, google::rpc::Status* out) {
  google::rpc::ErrorInfo info;
  const std::string reason = ReasonOf(status);
  info.set_reason(reason.empty() ? DefaultReason(status.code()) : reason);
  info.set_domain(kErrorDomain);
  out->add_details()->PackFrom(info);
}

void AddRetryAndQuota(const absl::Status& status, google::rpc::Status* out) {
  if (const auto delay = RetryDelayMillis(status)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(*delay / 1000);
    retry.mutable_retry_delay()->set_nanos(*delay % 1000 * 1'000'000);
    out->add_details()->PackFrom(retry);
  }
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    google::rpc::QuotaFailure quota;
    auto* violation = quota.add_violations();
    violation->set_subject(ReasonOf(status));
    violation->set_description(Clean(status.message(), 256));
    out->add_details()->PackFrom(quota);
  }
}

void AddBadRequest(const absl::Status& status, google::rpc::Status* out) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return;
  auto bad = Payload<google::rpc::BadRequest>(status);
  if (bad.field_violations().empty()) {
    auto* violation = bad.add_field_violations();
    violation->set_field(FieldOfMessage(status.message()));
    violation->set_description(Clean(status.message(), 512));
    violation->set_reason(ReasonOf(status));
  }
  while (bad.field_violations_size() > 1 &&
         out->ByteSizeLong() + bad.ByteSizeLong() + 64 > kMaxDetails) {
    bad.mutable_field_violations()->RemoveLast();
  }
  out->add_details()->PackFrom(bad);
}

}  // namespace

absl::Status FieldError(absl::string_view field, absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  AddFieldViolation(field, message, "INVALID_FIELD", &status);
  return status;
}

absl::Status TextTooLong(absl::string_view field, absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  AddFieldViolation(field, message, "TEXT_TOO_LONG", &status);
  return WithReason(status, "TEXT_TOO_LONG");
}

void AddFieldViolation(absl::string_view field, absl::string_view description,
                       absl::string_view reason, absl::Status* status) {
  auto bad = Payload<google::rpc::BadRequest>(*status);
  auto* violation = bad.add_field_violations();
  violation->set_field(Clean(field, 128));
  violation->set_description(Clean(description, 512));
  violation->set_reason(std::string(reason));
  SetPayload(bad, status);
}

absl::Status WithResource(absl::Status status, absl::string_view type,
                          absl::string_view name) {
  if (status.ok()) return status;
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(std::string(type));
  resource.set_resource_name(Clean(name, 256));
  SetPayload(resource, &status);
  return status;
}

std::optional<int> RetryDelayMillis(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "QUEUE_FULL" || reason == "MODEL_LOADING") return 1000;
  if (reason == "STARTING") return 2000;
  return std::nullopt;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(Clean(status.message(), 512));
  AddErrorInfo(status, &details);
  AddRetryAndQuota(status, &details);
  const auto resource = Payload<google::rpc::ResourceInfo>(status);
  if (!resource.resource_type().empty()) details.add_details()->PackFrom(resource);
  AddBadRequest(status, &details);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      Clean(status.message(), kMaxMessage),
                      details.SerializeAsString());
}

grpc::Status EndCall(const absl::Status& status, grpc::ServerContextBase* context) {
  if (const auto delay = RetryDelayMillis(status)) {
    context->AddTrailingMetadata(kPushbackKey, absl::StrCat(*delay));
  }
  return ToGrpcStatus(status);
}

bool HasDeadline(const grpc::ServerContextBase& context) {
  return context.deadline() != std::chrono::system_clock::time_point::max();
}

absl::Status CancelCause(const grpc::ServerContextBase& context) {
  // gRPC's timer may fire a moment early.
  const auto soon = std::chrono::system_clock::now() + std::chrono::milliseconds(5);
  if (HasDeadline(context) && context.deadline() <= soon) {
    return absl::DeadlineExceededError("the call's deadline passed");
  }
  return absl::CancelledError("the client cancelled the call");
}

}  // namespace strata
