#include "server/rpc/live_streams.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "model/base/thread_name.h"

namespace strata {

LiveStreams::LiveStreams(MonotonicDuration period)
    : thread_([this, period] {
        NameThisThread("streams");
        Loop(period);
      }) {}

LiveStreams::~LiveStreams() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    wake_.SignalAll();
  }
  thread_.join();
}

void LiveStreams::Add(std::weak_ptr<LiveStream> stream) {
  absl::Status end;
  {
    MutexLock lock(&mu_);
    streams_.push_back(stream);
    end = end_;
  }
  if (end.ok()) return;
  if (const auto late = stream.lock()) late->Abort(end);
}

void LiveStreams::FlushAt(std::weak_ptr<LiveStream> stream, MonotonicTime due) {
  const bool at_once = due <= Clock::System()->Now();
  MutexLock lock(&mu_);
  if (at_once) {
    due_.push_back(std::move(stream));
    if (due_.size() == 1) wake_.Signal();
    return;
  }
  held_.push_back(std::move(stream));
  if (due >= held_until_) return;
  held_until_ = due;
  wake_.Signal();
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
  {
    MutexLock lock(&mu_);
    end_ = status;
  }
  for (const auto& stream : Snapshot()) stream->Abort(status);
}

void LiveStreams::TickNow() {
  const MonotonicTime now = Clock::System()->Now();
  for (const auto& stream : Snapshot()) stream->Tick(now);
}

bool LiveStreams::NextBatch(MonotonicTime tick, Batch* batch) {
  MutexLock lock(&mu_);
  MonotonicTime now = Clock::System()->Now();
  while (!stopping_ && due_.empty() && now < std::min(tick, held_until_)) {
    wake_.WaitUntil(&mu_, std::min(tick, held_until_));
    now = Clock::System()->Now();
  }
  batch->clear();
  batch->swap(due_);
  if (now >= held_until_) {
    std::move(held_.begin(), held_.end(), std::back_inserter(*batch));
    held_.clear();
    held_until_ = MonotonicTime::max();
  }
  return !stopping_;
}

void LiveStreams::Loop(MonotonicDuration period) {
  Batch batch;
  MonotonicTime tick = Clock::System()->Now() + period;
  while (NextBatch(tick, &batch)) {
    for (const auto& weak : batch) {
      if (const auto stream = weak.lock()) stream->Flush();
    }
    if (Clock::System()->Now() < tick) continue;
    TickNow();
    tick = Clock::System()->Now() + period;
  }
}

}  // namespace strata
