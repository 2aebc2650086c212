#pragma once
// MessageStream<M>: the server's side of a response stream over gRPC's callback
// API. Push from any thread; one write is in flight at a time, what comes
// meanwhile waits here (merged where Merge says so) within limits; the call is
// finished exactly once. A reader that does not read for `write_stall`, or that
// lets more than the limits pile up, is cut off: transport windows alone would
// let it hold megabytes for ever.
//
// A stream with an interval is paced: Push and Close only leave work for the
// thread of LiveStreams, and messages that CanWait go out about once an interval
// (streams that wait at the same time go together, when the first of them is due, or
// later, where there is so much to write that the thread rests), the first of them at
// once.
//
// Owned by shared_ptr (Start keeps one until gRPC calls OnDone). Thread-safe.

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "grpcpp/grpcpp.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "server/rpc/live_calls.h"
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
  MessageStream(grpc::CallbackServerContext* context, StreamLimits limits,
                std::optional<MonotonicDuration> interval = std::nullopt)
      : context_(context),
        limits_(limits),
        interval_(interval),
        last_push_(Clock::System()->Now()) {}

  void Start(LiveStreams* streams, LiveCalls* calls) {
    streams_ = streams;
    calls_ = calls;
    calls->Begin();
    self_ = this->shared_from_this();
    streams->Add(self_);
  }

  // Dropped silently once the stream has ended.
  void Push(M message) { Append(std::move(message), /*first=*/false); }
  // Adds to the newest message that waits, if `join(&message)` does that and says true;
  // nothing is to be done then. False: what would be joined is to be pushed.
  template <typename Join>
  bool PushInto(const Join& join) {
    bool overflow = false;
    Next next;
    {
      MutexLock lock(&mu_);
      if (finished_ || gone_ || closing_.has_value()) return true;
      if (pending_.empty() || !join(&pending_.back())) return false;
      next = Pushed(TimeOf(pending_.back()), false, &overflow);
    }
    Do(next);
    if (overflow) OnGone();
    return true;
  }
  // While corked, nothing is written: the first message may still be missing.
  void Cork() {
    MutexLock lock(&mu_);
    corked_ = true;
  }
  void Uncork(M first) { Append(std::move(first), /*first=*/true); }

  // Ends the call once what is pending is written.
  void Close(const absl::Status& status) {
    Next next;
    {
      MutexLock lock(&mu_);
      if (!closing_.has_value()) closing_ = status;
      next = interval_.has_value() ? Ask(MonotonicTime::min()) : Advance();
    }
    Do(next);
  }

  // A call that is ending already still writes what it has.
  void Abort(const absl::Status& status) override {
    Next next;
    {
      MutexLock lock(&mu_);
      if (closing_.has_value()) return;
      closing_ = status;
      pending_.clear();
      corked_ = false;
      next = Advance();
    }
    Do(next);
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

  void Flush() override {
    Next next;
    {
      MutexLock lock(&mu_);
      flush_at_ = MonotonicTime::max();
      due_ = !pending_.empty();
      next = Advance();
    }
    Do(next);
  }

  void OnWriteDone(bool ok) override {
    bool idle = false;
    Next next;
    {
      MutexLock lock(&mu_);
      writing_ = false;
      if (!ok) gone_ = true;
      next = Advance();
      idle = ok && !writing_ && !finished_ && pending_.empty();
    }
    Do(next);
    if (idle) OnIdle();
    if (!ok) OnGone();  // OnCancel may come late, or to a finished call
  }

  void OnCancel() override {
    Next next;
    {
      MutexLock lock(&mu_);
      if (finished_) return;
      gone_ = true;
      if (!closing_.has_value()) closing_ = CancelCause(*context_);
      next = Advance();
    }
    Do(next);
    OnGone();
  }

  void OnDone() override {
    OnEnded(final_);
    calls_->End();
    self_.reset();  // may delete this
  }

 protected:
  grpc::CallbackServerContext* context() const { return context_; }

  // With the stream's lock held: joins `message` to `last`, which waits, and
  // returns true; or returns false.
  virtual bool Merge(const M& message, M* last) { return false; }
  // With the stream's lock held: whether `message` may be written before `waiting`.
  virtual bool MayPass(const M& message, const M& waiting) const { return false; }
  // Whether the stream's interval holds for `message`.
  virtual bool CanWait(const M& message) const { return false; }
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
  // What a thread that changed the stream has to do once it holds no lock.
  struct Next {
    enum { kNothing, kWrite, kFinish, kAskForFlush } what = kNothing;
    MonotonicTime flush_at{};
  };

  void Append(M message, bool first) {
    bool overflow = false;
    Next next;
    {
      MutexLock lock(&mu_);
      if (finished_ || gone_ || (closing_.has_value() && !first)) return;
      const MonotonicTime when = TimeOf(message);
      Enqueue(std::move(message), first);
      next = Pushed(when, first, &overflow);
    }
    Do(next);
    if (overflow) OnGone();
  }

  // When it may be written; min: at once.
  MonotonicTime TimeOf(const M& message) const STRATA_REQUIRES(mu_) {
    return CanWait(message) ? may_write_at_ : MonotonicTime::min();
  }

  // Something more waits, and may be written at `when`.
  Next Pushed(MonotonicTime when, bool first, bool* overflow) STRATA_REQUIRES(mu_) {
    last_push_ = Clock::System()->Now();
    *overflow = TooMuchPending();
    if (*overflow) CutOff("the client reads too slowly");
    return interval_.has_value() && !first ? Ask(when) : Advance();
  }

  void Enqueue(M message, bool first) STRATA_REQUIRES(mu_) {
    if (first) {
      pending_.push_front(std::move(message));
      corked_ = false;
      due_ = true;
    } else if (!MergeWithWaiting(message)) {
      pending_.push_back(std::move(message));
    }
  }

  bool MergeWithWaiting(const M& message) STRATA_REQUIRES(mu_) {
    for (auto last = pending_.rbegin(); last != pending_.rend(); ++last) {
      if (Merge(message, &*last)) return true;
      if (!MayPass(message, *last)) return false;
    }
    return false;
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

  // Wants a Flush at `when`, unless one comes by then, or what waits is written
  // after the write in flight anyway.
  Next Ask(MonotonicTime when) STRATA_REQUIRES(mu_) {
    if (finished_ || due_ || when >= flush_at_) return {};
    if (writing_ && closing_.has_value()) return {};
    flush_at_ = when;
    return {Next::kAskForFlush, when};
  }

  // Chooses the one operation that may come next, if any.
  Next Advance() STRATA_REQUIRES(mu_) {
    if (finished_ || writing_) return {};
    if (gone_) pending_.clear();
    const bool due = due_ || closing_.has_value() || !interval_.has_value();
    if (!pending_.empty()) {
      if (corked_ || !due) return {};
      current_ = std::move(pending_.front());
      pending_.pop_front();
      due_ = due_ && !pending_.empty();
      writing_ = true;
      write_started_ = Clock::System()->Now();
      // An interval of 0 holds nothing.
      if (interval_ > MonotonicDuration::zero() && CanWait(current_)) {
        may_write_at_ = write_started_ + *interval_;
      }
      return {Next::kWrite, {}};
    }
    if (!gone_ && (corked_ || !closing_.has_value())) return {};
    finished_ = true;
    final_ = closing_.value_or(absl::CancelledError("the client cancelled"));
    return {Next::kFinish, {}};
  }

  // Without the lock, so that who pushes never waits for a write. Nothing can
  // overtake: `writing_` and `finished_` allow no other operation meanwhile.
  void Do(const Next& next) STRATA_EXCLUDES(mu_) {
    switch (next.what) {
      case Next::kNothing: break;
      case Next::kWrite: this->StartWrite(&current_); break;
      case Next::kFinish: this->Finish(EndCall(final_, context_)); break;
      case Next::kAskForFlush:
        streams_->FlushAt(this->weak_from_this(), next.flush_at);
        break;
    }
  }

  grpc::CallbackServerContext* const context_;
  const StreamLimits limits_;
  const std::optional<MonotonicDuration> interval_;
  LiveStreams* streams_ = nullptr;
  LiveCalls* calls_ = nullptr;
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
  // Of a paced stream. due_: what is pending waits for the write in flight
  // alone; flush_at_: of the Flush that was asked for; may_write_at_: when the
  // next message that can wait may go.
  bool due_ STRATA_GUARDED_BY(mu_) = false;
  MonotonicTime flush_at_ STRATA_GUARDED_BY(mu_) = MonotonicTime::max();
  MonotonicTime may_write_at_ STRATA_GUARDED_BY(mu_) = MonotonicTime::min();
};

}  // namespace strata
