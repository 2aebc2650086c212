#pragma once
// A training job as the store keeps it: state, event, record. Torch- and
// gRPC-free. The legal transitions are the table in server/jobs/job_state.cc.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/train_spec.h"
#include "model/trainer.h"

namespace strata {

enum class JobState {
  kValidating, kQueued, kStarting, kRunning, kFinalizing, kSucceeded,
  kPausing, kPaused, kCancelling, kCancelled, kFailed,
};

absl::string_view JobStateName(JobState state);  // "QUEUED"
std::optional<JobState> ParseJobState(absl::string_view name);
bool IsTerminal(JobState state);
bool HasAttempt(JobState state);  // an attempt holds a lease on the job
bool IsLegalTransition(JobState from, JobState to);

struct JobError {
  std::string code;  // WORKER_LOST, NON_FINITE, STORAGE_FULL, …
  std::string message;
};

struct JobRecord {
  std::string id;  // UUIDv7
  std::string idempotency_key;
  TrainSpec spec;  // resolved
  JobState state = JobState::kQueued;
  bool cancel_requested = false;
  std::string phase;
  int attempt = 0;
  int no_progress_attempts = 0;
  int64_t micro_batch = 0;  // > 0: instead of the spec's, which took too much memory
  int lost_servers = 0;  // in a row that ended while they ran it, without progress
  int64_t checkpoint_step = 0;     // announced last; 0 = none
  int64_t attempt_base_step = 0;   // checkpoint_step when the attempt began
  int64_t fence = 0;
  int64_t not_before_ms = 0;
  TrainProgress progress;
  bool has_eval = false;
  TrainEval last_eval;
  JobError error;         // code empty: none
  std::string published;  // NAME@VERSION
  int64_t created_ms = 0;
  int64_t started_ms = 0;
  int64_t finished_ms = 0;
  int64_t last_sequence = 0;
};

struct JobEvent {
  int64_t sequence = 0;  // gap-free per job from 1
  int64_t time_ms = 0;
  int attempt = 0;
  std::string type;  // see proto/strata/v1/training.proto, JobEvent.type
  std::string message;
  JobState state = JobState::kQueued;  // after the event
  std::string payload_json;  // by type; see server/jobs/event_payload.h
};

}  // namespace strata
