#pragma once
// A child process that cannot outlive its parent unnoticed: its standard input
// ends when the parent is gone, the kernel kills it when the thread that made it
// ends, and it runs in a process group of its own so that what it started goes
// with it. It holds no other descriptor of ours than standard error.
//
//   standard input   lines from us; a socket, so that writing to a dead child
//                    raises no signal
//   descriptor 3     its events, read by us
//   standard output  our standard error
//
// The child waits before exec until Release, so that a parent killed in between
// leaves nothing running. Spawn, Reap and destruction belong to one thread; the
// others are thread-safe.

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/base/mutex.h"

namespace strata {

class ChildProcess {
 public:
  static constexpr int kEventsFd = 3;

  static absl::StatusOr<std::unique_ptr<ChildProcess>> Spawn(
      const std::vector<std::string>& argv, int nice);
  ~ChildProcess();  // kills and reaps

  pid_t pid() const { return pid_; }
  int events_fd() const { return events_; }
  absl::Status Release();  // lets it exec
  void SendLine(absl::string_view line);
  void Kill();  // the whole group
  // Its wait status once it has ended, with its group killed. Never blocks.
  std::optional<int> Reap();

 private:
  ChildProcess(pid_t pid, int input, int events, int go);

  const pid_t pid_;
  const int events_;
  int go_;
  Mutex mu_;
  int input_ STRATA_GUARDED_BY(mu_);
  std::optional<int> wait_status_ STRATA_GUARDED_BY(mu_);
};

}  // namespace strata
