#include "server/jobs/job_watchers.h"

#include <utility>
#include <vector>

namespace strata {

int64_t JobWatchers::Subscribe(absl::string_view id,
                               std::function<void()> wake) {
  auto watcher = std::make_shared<Watcher>();
  watcher->job = std::string(id);
  watcher->wake = std::move(wake);
  MutexLock lock(&mu_);
  const int64_t subscription = next_++;
  watchers_[subscription] = std::move(watcher);
  return subscription;
}

void JobWatchers::Unsubscribe(int64_t subscription) {
  std::shared_ptr<Watcher> watcher;  // its function dies outside the lock
  MutexLock lock(&mu_);
  const auto it = watchers_.find(subscription);
  if (it == watchers_.end()) return;
  watcher = it->second;
  watcher->removed = true;
  watchers_.erase(it);
  // A wake that unsubscribes itself must not wait for its own end.
  const size_t own = watcher->running.count(std::this_thread::get_id());
  while (watcher->running.size() > own) idle_.Wait(&mu_);
}

void JobWatchers::Notify(absl::string_view id) {
  std::vector<std::shared_ptr<Watcher>> due;
  {
    MutexLock lock(&mu_);
    for (const auto& [subscription, watcher] : watchers_) {
      if (watcher->job == id) due.push_back(watcher);
    }
  }
  for (const auto& watcher : due) {
    {
      MutexLock lock(&mu_);
      if (watcher->removed) continue;
      ++watcher->running[std::this_thread::get_id()];
    }
    watcher->wake();
    MutexLock lock(&mu_);
    const auto it = watcher->running.find(std::this_thread::get_id());
    if (--it->second == 0) watcher->running.erase(it);
    idle_.SignalAll();
  }
}

}  // namespace strata
