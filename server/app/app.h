#pragma once
// App: the server process. Build puts the parts together from bottom to top and
// starts to listen; Run waits for SIGTERM or SIGINT and drains:
//
//   1. health NOT_SERVING at once, calls still admitted for --drain-delay
//   2. new calls get UNAVAILABLE, reason DRAINING; every admitted request may
//      finish within --drain-timeout; trainers checkpoint and stop
//   3. what is left is ended with UNAVAILABLE; the listeners close; exit 0
//
// A second signal skips the waits. SIGTERM and SIGINT must be blocked in every
// thread (BlockSignals, before the first thread starts).

#include <memory>

#include "absl/status/statusor.h"
#include "server/app/flags.h"

namespace strata {

void BlockSignals();

class App {
 public:
  static absl::StatusOr<std::unique_ptr<App>> Build(const Flags& flags);
  virtual ~App() = default;

  // Blocks until the drain has ended. The process's exit code.
  virtual int Run() = 0;
};

}  // namespace strata
