#pragma once
// LiveStreams: every open response stream, and the one thread that serves them
// all: it sends heartbeats, finds stalled readers, and writes what engine
// workers pushed, so that a write never takes time from a model's step. A drain
// ends each stream from here (a server with an unfinished stream never shuts
// down). Nobody polls: between ticks the thread sleeps unless a flush was asked
// for. Thread-safe.
//
// Each message costs a server and its client some 40 us of processor time, whatever it
// holds. So the thread rests after it has written, longer the more it wrote: what may be
// held gathers meanwhile, and fewer messages hold more.

#include <algorithm>
#include <cstdint>
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
  // Writes what waits; see LiveStreams::FlushAt. Must not block.
  virtual void Flush() = 0;
  // Ends the call with `status`, dropping what was not written. Nothing if it
  // is ending already.
  virtual void Abort(const absl::Status& status) = 0;
};

// How much of a core's time the thread may take to write what may be held: 1.5 % of each
// of those that the server has. gRPC and the client take thrice that again.
struct WriteShare {
  double of_a_core = 0.03;
  // No stream is held longer than that beyond its time.
  MonotonicDuration longest_rest = std::chrono::milliseconds(40);
};
inline WriteShare WriteShareOf(int64_t cores) {
  return {.of_a_core = std::min(1.0, 0.015 * static_cast<double>(cores))};
}

class LiveStreams {
 public:
  explicit LiveStreams(MonotonicDuration period, WriteShare share = {});
  ~LiveStreams();

  // Held weakly: a stream that is gone needs no Remove. Aborted at once after
  // AbortAll.
  void Add(std::weak_ptr<LiveStream> stream);
  // Flushes the stream on the thread: at once if `due` is MonotonicTime::min(); else once
  // it has passed and the thread has rested, or earlier, together with others that are
  // held. Cheap, never blocks.
  void FlushAt(std::weak_ptr<LiveStream> stream, MonotonicTime due);
  // Each one, and each that is added from now on.
  void AbortAll(const absl::Status& status);
  // Ticks at once, e.g. after the server's state changed.
  void TickNow();

 private:
  using Batch = std::vector<std::weak_ptr<LiveStream>>;

  std::vector<std::shared_ptr<LiveStream>> Snapshot();
  void Loop(MonotonicDuration period);
  // Waits for something to flush, at most until `tick`; false: stop. `rests`: it is not
  // only what could not have waited.
  bool NextBatch(MonotonicTime tick, Batch* batch, bool* rests);
  // After so many seconds of writing.
  void Rest(double seconds);

  const WriteShare share_;

  Mutex mu_;
  CondVar wake_;
  std::list<std::weak_ptr<LiveStream>> streams_ STRATA_GUARDED_BY(mu_);
  absl::Status end_ STRATA_GUARDED_BY(mu_);  // of every stream, once not OK
  Batch due_ STRATA_GUARDED_BY(mu_);
  bool due_could_wait_ STRATA_GUARDED_BY(mu_) = false;  // some of it
  Batch held_ STRATA_GUARDED_BY(mu_);
  // The next time for what may be held, if it is not due later.
  MonotonicTime rests_until_ STRATA_GUARDED_BY(mu_) = MonotonicTime::min();
  // The earliest that one of held_ is due: then all of them go.
  MonotonicTime held_until_ STRATA_GUARDED_BY(mu_) = MonotonicTime::max();
  bool stopping_ STRATA_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace strata
