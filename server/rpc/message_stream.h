#pragma once
// MessageStream<M>: the server's side of a response stream over gRPC's callback
// API. Push from any thread; one write is in flight at a time, what comes
// meanwhile waits here (merged where Merge says so) within limits; the call is
// finished exactly once. A reader that does not read for `write_stall`, or that
// lets more than the limits pile up, is cut off: transport windows alone would
// let it hold megabytes for ever.
//
// Owned by shared_ptr (Start keeps one until gRPC calls OnDone). Thread-safe.

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "grpcpp/grpcpp.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/rpc/live_streams.h"
#include "server/rpc/status.h"

namespace strata {

struct StreamLimits {
  int64_t max_pending_bytes = 4 << 20;
  MonotonicDuration write_stall = std::chrono::seconds(30);
};

template <typename M>
class MessageStream : public grpc::ServerWriteReactor<M>,
                      public LiveStream,
                      public std::enable_shared_from_this<MessageStream<M>> {
 public:
  MessageStream(grpc::CallbackServerContext* context, StreamLimits limits)
      : context_(context), limits_(limits), last_push_(Clock::System()->Now()) {}

  void Start(LiveStreams* streams) {
    self_ = this->shared_from_this();
    streams->Add(self_);
  }

  // Dropped silently once the stream has ended.
  void Push(M message) { Append(std::move(message), /*first=*/false); }
  // While corked, nothing is written: the first message may still be missing.
  void Cork() {
    MutexLock lock(&mu_);
    corked_ = true;
  }
  void Uncork(M first) { Append(std::move(first), /*first=*/true); }

  // Ends the call once what is pending is written.
  void Close(const absl::Status& status) {
    MutexLock lock(&mu_);
    if (!closing_.has_value()) closing_ = status;
    Advance();
  }

  // A call that is ending already still writes what it has.
  void Abort(const absl::Status& status) override {
    MutexLock lock(&mu_);
    if (closing_.has_value()) return;
    closing_ = status;
    pending_.clear();
    corked_ = false;
    Advance();
  }

  void Tick(MonotonicTime now) override {
    bool stalled = false;
    {
      MutexLock lock(&mu_);
      if (writing_ && !gone_ && now - write_started_ > limits_.write_stall) {
        stalled = true;
        CutOff("the client did not read for too long");
      }
    }
    if (stalled) OnGone();
  }

  void OnWriteDone(bool ok) override {
    bool idle = false;
    {
      MutexLock lock(&mu_);
      writing_ = false;
      if (!ok) gone_ = true;
      Advance();
      idle = ok && !writing_ && !finished_;
    }
    if (idle) OnIdle();
  }

  void OnCancel() override {
    {
      MutexLock lock(&mu_);
      if (finished_) return;
      gone_ = true;
      if (!closing_.has_value()) closing_ = CancelCause(*context_);
      Advance();
    }
    OnGone();
  }

  void OnDone() override {
    OnEnded(final_);
    self_.reset();  // may delete this
  }

 protected:
  grpc::CallbackServerContext* context() const { return context_; }

  // With the stream's lock held: joins `message` to `last`, which waits, and
  // returns true; or returns false.
  virtual bool Merge(const M& message, M* last) { return false; }
  // The client went, or was cut off. May come more than once.
  virtual void OnGone() {}
  // Everything pushed so far is written.
  virtual void OnIdle() {}
  // The call is over, with this status. Once, last.
  virtual void OnEnded(const absl::Status& status) {}

  MonotonicTime last_push() const {
    MutexLock lock(&mu_);
    return last_push_;
  }
  bool idle() const {
    MutexLock lock(&mu_);
    return pending_.empty() && !writing_;
  }
  // Nothing may be pushed now: it is corked, ending or over.
  bool silent() const {
    MutexLock lock(&mu_);
    return closing_.has_value() || gone_ || corked_;
  }

 private:
  void Append(M message, bool first) {
    bool overflow = false;
    {
      MutexLock lock(&mu_);
      if (finished_ || gone_ || (closing_.has_value() && !first)) return;
      last_push_ = Clock::System()->Now();
      if (first) {
        pending_.push_front(std::move(message));
        corked_ = false;
      } else if (pending_.empty() || !Merge(message, &pending_.back())) {
        pending_.push_back(std::move(message));
      }
      overflow = TooMuchPending();
      if (overflow) CutOff("the client reads too slowly");
      Advance();
    }
    if (overflow) OnGone();
  }

  bool TooMuchPending() const STRATA_REQUIRES(mu_) {
    if (pending_.size() < 2) return false;  // one message is never too many
    int64_t bytes = 0;
    for (const M& message : pending_) bytes += message.ByteSizeLong();
    return bytes > limits_.max_pending_bytes;
  }

  void CutOff(const char* why) STRATA_REQUIRES(mu_) {
    if (finished_) return;
    gone_ = true;
    closing_ = WithReason(absl::ResourceExhaustedError(why), "SLOW_READER");
    context_->TryCancel();
  }

  // Starts the one operation that may come next, if any. gRPC never runs a
  // reaction inside these calls, so holding the lock is safe.
  void Advance() STRATA_REQUIRES(mu_) {
    if (finished_ || writing_) return;
    if (gone_) pending_.clear();
    if (!pending_.empty() && !corked_) {
      current_ = std::move(pending_.front());
      pending_.pop_front();
      writing_ = true;
      write_started_ = Clock::System()->Now();
      this->StartWrite(&current_);
      return;
    }
    if (!gone_ && (corked_ || !closing_.has_value())) return;
    finished_ = true;
    final_ = closing_.value_or(absl::CancelledError("the client cancelled"));
    this->Finish(EndCall(final_, context_));
  }

  grpc::CallbackServerContext* const context_;
  const StreamLimits limits_;
  std::shared_ptr<MessageStream> self_;

  mutable Mutex mu_;
  std::deque<M> pending_ STRATA_GUARDED_BY(mu_);
  M current_;  // in flight
  bool writing_ STRATA_GUARDED_BY(mu_) = false;
  bool corked_ STRATA_GUARDED_BY(mu_) = false;
  bool gone_ STRATA_GUARDED_BY(mu_) = false;
  bool finished_ STRATA_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> closing_ STRATA_GUARDED_BY(mu_);
  absl::Status final_;
  MonotonicTime write_started_ STRATA_GUARDED_BY(mu_){};
  MonotonicTime last_push_ STRATA_GUARDED_BY(mu_);
};

}  // namespace strata
