#pragma once
// LiveStreams: every open response stream, so that one clock thread can send
// heartbeats and find stalled readers, and so that a drain can end each of them
// (a server with an unfinished stream never shuts down). Thread-safe.

#include <list>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"

namespace strata {

class LiveStream {
 public:
  virtual ~LiveStream() = default;
  // Every quarter of a second or so. Must not block.
  virtual void Tick(MonotonicTime now) = 0;
  // Ends the call with `status`, dropping what was not written. Nothing if it
  // is ending already.
  virtual void Abort(const absl::Status& status) = 0;
};

class LiveStreams {
 public:
  explicit LiveStreams(MonotonicDuration period);
  ~LiveStreams();

  // Held weakly: a stream that is gone needs no Remove.
  void Add(std::weak_ptr<LiveStream> stream);
  void AbortAll(const absl::Status& status);
  // Ticks at once, e.g. after the server's state changed.
  void TickNow();

 private:
  std::vector<std::shared_ptr<LiveStream>> Snapshot();
  void Loop(MonotonicDuration period);

  Mutex mu_;
  CondVar wake_;
  std::list<std::weak_ptr<LiveStream>> streams_ STRATA_GUARDED_BY(mu_);
  bool stopping_ STRATA_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace strata
