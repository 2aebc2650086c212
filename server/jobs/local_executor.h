#pragma once
// LocalExecutor: an attempt is a child process of this one,
//
//   COMMAND… --run JOB_DIR/run.json --events-fd 3 --nice N [--tickets]
//
// which speaks model/trainer_wire.h. Each attempt has one thread that starts the
// child, reads its events and reaps it; the listener is called on that thread.
// `JOB_DIR/child.json` names the child while it lives. A ticket that it holds comes
// back when it is gone.

#include <string>
#include <utility>
#include <vector>

#include "server/jobs/device_tickets.h"
#include "server/jobs/executor.h"

namespace strata {

struct LocalExecutorOptions {
  std::vector<std::string> command;  // {"/path/strata-server", "trainer"}
  // Of a core that serving wants whole, a trainer at 19 keeps some hundredths, at 10 a
  // tenth, for which streams wait longer: the kernel lets it run out its slice.
  int nice = 19;
  // Of runs on a device other than the CPU, or of all. Null: trainers take none.
  // Outlives the executor.
  DeviceTickets* tickets = nullptr;
  bool tickets_for_all = false;
};

class LocalExecutor final : public Executor {
 public:
  explicit LocalExecutor(LocalExecutorOptions options)
      : options_(std::move(options)) {}

  // Writes run.json. REQUIRES that the job folder exists. UNAVAILABLE when no
  // process can be made.
  absl::StatusOr<std::unique_ptr<Attempt>> Start(
      const TrainRun& run, AttemptListener* listener) override;
  absl::Status WaitUntilGone(const std::string& job_dir,
                             MonotonicTime kill_at) override;

 private:
  DeviceTickets* TicketsFor(const TrainRun& run) const;  // null: it takes none

  const LocalExecutorOptions options_;
};

}  // namespace strata
