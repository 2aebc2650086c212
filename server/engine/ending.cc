#include "server/engine/ending.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/error_reason.h"

namespace strata {
namespace {

absl::string_view Where(RequestPhase phase) {
  switch (phase) {
    case RequestPhase::kQueued:
      return "in the queue";
    case RequestPhase::kPrefill:
      return "while the prompt was read";
    case RequestPhase::kDecode:
      return "while generating";
  }
  return "";
}

absl::string_view OutcomeOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kMaxTokens:
      return "max_tokens";
    case FinishReason::kContextLimit:
      return "context_limit";
    case FinishReason::kDeadline:
      return "deadline";
  }
  return "error";
}

}  // namespace

Ending CancelledEnding(RequestPhase phase) {
  return {absl::CancelledError(
              absl::StrCat("the request was cancelled ", Where(phase))),
          "cancelled", phase};
}

Ending CutEnding(RequestPhase phase) {
  // Only what never started is surely safe to send elsewhere.
  const bool started = phase != RequestPhase::kQueued;
  return {WithReason(absl::UnavailableError(absl::StrCat(
                         "the server shut down ", Where(phase))),
                     started ? "DRAIN_TIMEOUT" : "DRAINING"),
          "unavailable", phase};
}

Ending DeadlineEnding(RequestPhase phase) {
  return {WithReason(absl::DeadlineExceededError(
                         absl::StrCat("the deadline passed ", Where(phase))),
                     "DEADLINE_EXCEEDED"),
          "deadline_exceeded", phase};
}

Ending ExpiredInQueue(const EngineRequest& request, MonotonicTime now) {
  const bool overdue = request.deadline.has_value() && *request.deadline <= now;
  if (overdue || request.kind == EngineRequest::Kind::kScore) {
    return DeadlineEnding(RequestPhase::kQueued);
  }
  FinishInfo info;
  info.reason = FinishReason::kDeadline;
  info.prompt_items = request.items.size();
  info.queue_seconds = Seconds(now - request.arrival);
  info.total_seconds = info.queue_seconds;
  return FinishedEnding(info);
}

Ending FaultEnding(RequestPhase phase, const absl::Status& fault) {
  const bool memory = absl::IsResourceExhausted(fault);
  return {WithReason(
              absl::Status(memory ? absl::StatusCode::kResourceExhausted
                                  : absl::StatusCode::kInternal,
                           fault.message()),
              memory ? "OUT_OF_MEMORY" : "ENGINE_FAULT"),
          "error", phase};
}

Ending FinishedEnding(const FinishInfo& info) {
  Ending ending{absl::OkStatus(), OutcomeOf(info.reason),
                RequestPhase::kDecode};
  ending.finish = info;
  return ending;
}

Ending ScoredEnding(std::vector<double> scores) {
  Ending ending{absl::OkStatus(), "scored", RequestPhase::kPrefill};
  ending.scores = std::move(scores);
  return ending;
}

}  // namespace strata
