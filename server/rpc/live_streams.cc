#include "server/rpc/live_streams.h"

#include <utility>

namespace strata {

LiveStreams::LiveStreams(MonotonicDuration period)
    : thread_([this, period] { Loop(period); }) {}

LiveStreams::~LiveStreams() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    wake_.SignalAll();
  }
  thread_.join();
}

void LiveStreams::Add(std::weak_ptr<LiveStream> stream) {
  MutexLock lock(&mu_);
  streams_.push_back(std::move(stream));
}

// Also forgets those that are gone. Calls into streams happen without the lock.
std::vector<std::shared_ptr<LiveStream>> LiveStreams::Snapshot() {
  std::vector<std::shared_ptr<LiveStream>> alive;
  MutexLock lock(&mu_);
  for (auto it = streams_.begin(); it != streams_.end();) {
    if (auto stream = it->lock()) {
      alive.push_back(std::move(stream));
      ++it;
    } else {
      it = streams_.erase(it);
    }
  }
  return alive;
}

void LiveStreams::AbortAll(const absl::Status& status) {
  for (const auto& stream : Snapshot()) stream->Abort(status);
}

void LiveStreams::TickNow() {
  const MonotonicTime now = Clock::System()->Now();
  for (const auto& stream : Snapshot()) stream->Tick(now);
}

void LiveStreams::Loop(MonotonicDuration period) {
  for (;;) {
    {
      MutexLock lock(&mu_);
      const MonotonicTime next = Clock::System()->Now() + period;
      while (!stopping_ && Clock::System()->Now() < next) {
        wake_.WaitUntil(&mu_, next);
      }
      if (stopping_) return;
    }
    TickNow();
  }
}

}  // namespace strata
