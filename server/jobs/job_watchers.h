#pragma once
// Who wants to know of new events. Thread-safe; wake functions run outside the
// lock, on the thread that made the event.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "model/base/mutex.h"

namespace strata {

class JobWatchers {
 public:
  int64_t Subscribe(absl::string_view id, std::function<void()> wake);
  // Waits for a wake that runs on another thread; afterwards none will come.
  void Unsubscribe(int64_t subscription);
  void Notify(absl::string_view id);

 private:
  struct Watcher {
    std::string job;
    std::function<void()> wake;
    std::map<std::thread::id, int> running;
    bool removed = false;
  };

  Mutex mu_;
  CondVar idle_;
  int64_t next_ STRATA_GUARDED_BY(mu_) = 1;
  std::map<int64_t, std::shared_ptr<Watcher>> watchers_ STRATA_GUARDED_BY(mu_);
};

}  // namespace strata
