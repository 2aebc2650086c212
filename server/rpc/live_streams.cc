#include "server/rpc/live_streams.h"

#include <time.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "model/base/thread_name.h"

namespace strata {

namespace {

double ThreadCpuSeconds() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

}  // namespace

LiveStreams::LiveStreams(MonotonicDuration period, WriteShare share)
    : share_(share), thread_([this, period] {
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
  const bool urgent = due == MonotonicTime::min();
  const MonotonicTime now = urgent ? due : Clock::System()->Now();
  MutexLock lock(&mu_);
  if (!urgent) due = std::max(due, rests_until_);
  if (due <= now) {
    due_.push_back(std::move(stream));
    due_could_wait_ = due_could_wait_ || !urgent;
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

void LiveStreams::Rest(double seconds) {
  const auto rest = std::chrono::duration_cast<MonotonicDuration>(
      std::chrono::duration<double>(seconds * (1 / share_.of_a_core - 1)));
  const MonotonicTime now = Clock::System()->Now();
  MutexLock lock(&mu_);
  // What is held waits for that, too; it goes with the next batch that does not only hold
  // what cannot wait, so no later than a rest after its time.
  rests_until_ = now + std::min(rest, share_.longest_rest);
  if (!held_.empty()) held_until_ = std::max(held_until_, rests_until_);
}

bool LiveStreams::NextBatch(MonotonicTime tick, Batch* batch, bool* rests) {
  MutexLock lock(&mu_);
  MonotonicTime now = Clock::System()->Now();
  while (!stopping_ && due_.empty() && now < std::min(tick, held_until_)) {
    wake_.WaitUntil(&mu_, std::min(tick, held_until_));
    now = Clock::System()->Now();
  }
  batch->clear();
  batch->swap(due_);
  *rests = std::exchange(due_could_wait_, false) || now >= held_until_;
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
  bool rests = false;
  while (NextBatch(tick, &batch, &rests)) {
    const double before = rests ? ThreadCpuSeconds() : 0;
    for (const auto& weak : batch) {
      if (const auto stream = weak.lock()) stream->Flush();
    }
    if (rests) Rest(ThreadCpuSeconds() - before);
    if (Clock::System()->Now() < tick) continue;
    TickNow();
    tick = Clock::System()->Now() + period;
  }
}

}  // namespace strata
