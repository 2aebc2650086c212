#pragma once
// From absl::Status to what a client gets: a gRPC status whose details are one
// google.rpc.Status with ErrorInfo{reason, domain "strata"} always, and
// BadRequest, RetryInfo, QuotaFailure or ResourceInfo where they apply.
// Pure functions, thread-safe.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"
#include "server/engine/error_reason.h"

namespace strata {

inline constexpr char kErrorDomain[] = "strata";
inline constexpr char kPushbackKey[] = "grpc-retry-pushback-ms";

// INVALID_ARGUMENT about one field: `field` is its path, `message` the sentence.
absl::Status FieldError(absl::string_view field, absl::string_view message);
// The same of a text that the call does not take: TEXT_TOO_LONG.
absl::Status TextTooLong(absl::string_view field, absl::string_view message);
// Attaches one more violation (of INVALID_ARGUMENT).
void AddFieldViolation(absl::string_view field, absl::string_view description,
                       absl::string_view reason, absl::Status* status);
// Attaches which resource it is about; `type` is model, job or dataset.
absl::Status WithResource(absl::Status status, absl::string_view type,
                          absl::string_view name);

// After how long the call may be repeated; nullopt: repeating it is useless.
std::optional<int> RetryDelayMillis(const absl::Status& status);

// Messages are cut at 1024 bytes and details at 3 KiB: all metadata of a
// response must fit 8 KiB.
grpc::Status ToGrpcStatus(const absl::Status& status);
// The same, and the trailing metadata that retrying clients obey. Once per
// call, before Finish.
grpc::Status EndCall(const absl::Status& status, grpc::ServerContextBase* context);

// Why a call that gRPC reports as cancelled ended: its deadline passed
// (DEADLINE_EXCEEDED), or its client went (CANCELLED).
absl::Status CancelCause(const grpc::ServerContextBase& context);
bool HasDeadline(const grpc::ServerContextBase& context);

}  // namespace strata
