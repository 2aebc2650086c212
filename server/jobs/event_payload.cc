#include "server/jobs/event_payload.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/base/status_macros.h"
#include "model/trainer_wire.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

JobEvent Make(const char* type, std::string message, std::string payload) {
  JobEvent event;
  event.type = type;
  event.message = std::move(message);
  event.payload_json = std::move(payload);
  return event;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// One definition of the members, the trainer's; its "type" is of no use here.
std::string WithoutType(const TrainEvent& event) {
  Json json = Json::parse(TrainEventToJson(event), nullptr, false);
  json.erase("type");
  return Dump(json);
}

absl::StatusOr<TrainEvent> ParseAs(const char* type, absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("an event's payload is not an object");
  }
  json["type"] = type;
  return ParseTrainEvent(Dump(json));
}

}  // namespace

std::string ProgressToJson(const TrainProgress& progress) {
  TrainEvent event;
  event.type = TrainEvent::Type::kProgress;
  event.progress = progress;
  return WithoutType(event);
}

std::string EvalToJson(const TrainEval& eval) {
  TrainEvent event;
  event.type = TrainEvent::Type::kEval;
  event.eval = eval;
  return WithoutType(event);
}

absl::StatusOr<TrainProgress> ParseProgress(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(TrainEvent event, ParseAs("progress", json));
  return event.progress;
}

absl::StatusOr<TrainEval> ParseEval(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(TrainEvent event, ParseAs("eval", json));
  return event.eval;
}

absl::StatusOr<CheckpointPayload> ParseCheckpoint(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(TrainEvent event, ParseAs("checkpoint", json));
  return CheckpointPayload{event.step, event.path, event.bytes};
}

JobEvent StartedEvent(int64_t resumed_from_step, int threads,
                      const std::string& environment_json) {
  TrainEvent event;
  event.type = TrainEvent::Type::kStarted;
  event.resumed_from_step = resumed_from_step;
  event.threads = threads;
  event.environment_json = environment_json;
  return Make(kEventStarted,
              resumed_from_step == 0
                  ? std::string("training started")
                  : absl::StrCat("training resumed from step ",
                                 resumed_from_step),
              WithoutType(event));
}

JobEvent MetricsEvent(const TrainProgress& progress) {
  return Make(kEventMetrics,
              absl::StrFormat("step %d of %d, loss %.4f", progress.step,
                              progress.total_steps, progress.loss),
              ProgressToJson(progress));
}

JobEvent EvalEvent(const TrainEval& eval) {
  const std::string result =
      eval.accuracy.has_value()
          ? absl::StrFormat("held-out accuracy %.4f, macro-F1 %.4f",
                            *eval.accuracy, eval.macro_f1.value_or(0))
          : absl::StrFormat("held-out %.4f bits per byte", eval.bits_per_byte);
  return Make(kEventEval, absl::StrFormat("step %d: %s", eval.step, result),
              EvalToJson(eval));
}

JobEvent CheckpointEvent(int64_t step, const std::string& path, int64_t bytes) {
  TrainEvent event;
  event.type = TrainEvent::Type::kCheckpoint;
  event.step = step;
  event.path = path;
  event.bytes = bytes;
  return Make(kEventCheckpoint, absl::StrCat("checkpoint of step ", step),
              WithoutType(event));
}

JobEvent PublishedEvent(const std::string& version_name) {
  return Make(kEventPublished, absl::StrCat("published as ", version_name),
              Dump({{"published", version_name}}));
}

JobEvent ErrorEvent(const char* type, const std::string& code,
                    const std::string& message) {
  return Make(type, absl::StrCat(code, ": ", message),
              Dump({{"code", code}, {"message", message}}));
}

}  // namespace strata
