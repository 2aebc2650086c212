#pragma once
// The JSON payload of job events, by type. Members are named as the fields of
// TrainProgress and TrainEval; non-finite numbers are null.
//
//   state_changed     {}
//   started           {"resumed_from_step", "threads", "environment"}
//   metrics           TrainProgress
//   eval              TrainEval
//   checkpoint_saved  {"step", "path", "bytes"}
//   warning           {"code", "message"}
//   attempt_ended     {"code", "message"}
//   published         {"published": "NAME@VERSION"}
//   failed            {"code", "message"}
//
// Thread-safe: pure functions.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/trainer.h"
#include "server/jobs/job.h"

namespace strata {

inline constexpr char kEventStateChanged[] = "state_changed";
inline constexpr char kEventStarted[] = "started";
inline constexpr char kEventMetrics[] = "metrics";
inline constexpr char kEventEval[] = "eval";
inline constexpr char kEventCheckpoint[] = "checkpoint_saved";
inline constexpr char kEventWarning[] = "warning";
inline constexpr char kEventAttemptEnded[] = "attempt_ended";
inline constexpr char kEventPublished[] = "published";
inline constexpr char kEventFailed[] = "failed";

// Events with their payload; sequence, time, attempt and state are the store's.
JobEvent StartedEvent(int64_t resumed_from_step, int threads,
                      const std::string& environment_json);
JobEvent MetricsEvent(const TrainProgress& progress);
JobEvent EvalEvent(const TrainEval& eval);
JobEvent CheckpointEvent(int64_t step, const std::string& path, int64_t bytes);
JobEvent PublishedEvent(const std::string& version_name);
// kEventWarning, kEventAttemptEnded or kEventFailed.
JobEvent ErrorEvent(const char* type, const std::string& code,
                    const std::string& message);

struct CheckpointPayload {
  int64_t step = 0;
  std::string path;
  int64_t bytes = 0;
};

std::string ProgressToJson(const TrainProgress& progress);
std::string EvalToJson(const TrainEval& eval);
absl::StatusOr<TrainProgress> ParseProgress(absl::string_view json);
absl::StatusOr<TrainEval> ParseEval(absl::string_view json);
absl::StatusOr<CheckpointPayload> ParseCheckpoint(absl::string_view json);

}  // namespace strata
