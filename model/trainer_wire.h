#pragma once
// What a trainer process and its supervisor say to each other, torch-free.
//
//   in   --run FILE: one JSON TrainRun; then lines on standard input: "cancel"
//        (end at once, also within a step or a save), "stop" (checkpoint and
//        stop), "go" (the ticket). End of input = the supervisor is gone.
//   out  one JSON event a line. "type" is started, progress, eval, checkpoint,
//        warning, alive, ticket, slice or ended; the other members are named as
//        the fields of TrainProgress and TrainEval, or as below. `alive` says
//        nothing but that training goes on, and may come before `started`;
//        `ended` is the last.
//
// A trainer that was told to take tickets sends `ticket` before each slice of work
// on its device, and begins at "go"; `slice` says that the slice is over and how
// many `seconds` it took on the device: the ticket comes back. A trainer that is
// stopped while it waits sends `slice`, of 0 seconds, too: it asks no more. The
// ticket of one that dies comes back with its process.
//
// Strict on both sides: unknown types, missing members and wrong types are
// INVALID_ARGUMENT; unknown members of an event are skipped, so that a newer
// trainer may say more. Non-finite numbers travel as null. Thread-safe: pure
// functions.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/trainer.h"

namespace strata {

struct TrainEvent {
  enum class Type {
    kStarted, kProgress, kEval, kCheckpoint, kWarning, kAlive, kTicket, kSlice,
    kEnded,
  };
  Type type = Type::kProgress;

  // started
  int64_t resumed_from_step = 0;
  int threads = 0;
  std::string environment_json = "{}";  // member "environment", an object
  TrainProgress progress;
  TrainEval eval;
  // checkpoint
  int64_t step = 0;
  std::string path;
  int64_t bytes = 0;
  // warning
  std::string code;
  std::string message;
  // slice
  double seconds = 0;
  // ended: members "code" (the number of the absl::StatusCode) and "message"
  absl::Status status;
};

std::string TrainEventToJson(const TrainEvent& event);  // without a newline
absl::StatusOr<TrainEvent> ParseTrainEvent(absl::string_view line);

std::string TrainRunToJson(const TrainRun& run);
absl::StatusOr<TrainRun> ParseTrainRun(absl::string_view json);

// Exit code of a trainer process that ended with `status`: 0 done; 64 the
// user's spec or data; 75 another attempt may succeed; 1 anything else.
inline constexpr int kTrainerExitUserError = 64;
inline constexpr int kTrainerExitTemporary = 75;
int TrainerExitCode(const absl::Status& status);

}  // namespace strata
