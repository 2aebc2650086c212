#include "server/rpc/watch_stream.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "model/base/status_macros.h"
#include "server/rpc/convert.h"

namespace strata {
namespace {

constexpr int kBatch = 256;

}  // namespace

WatchStream::WatchStream(const RpcCore* core, grpc::CallbackServerContext* context)
    : MessageStream(context, core->limits),
      core_(core),
      start_(Clock::System()->Now()) {}

std::shared_ptr<WatchStream> WatchStream::Self() {
  return std::static_pointer_cast<WatchStream>(shared_from_this());
}

void WatchStream::Watch(const v1::WatchJobRequest& request) {
  auto id = JobId(request.name());
  if (!id.ok()) return Abort(id.status());
  if (request.after_sequence() < 0) {
    return Abort(FieldError("after_sequence",
                            absl::StrFormat("after_sequence is %d; must not be negative",
                                            request.after_sequence())));
  }
  id_ = *std::move(id);
  after_ = request.after_sequence();
  if (!core_->store_pool->Run([self = Self()] { self->Begin(); })) {
    Abort(WithReason(absl::UnavailableError("too many calls are waiting"), "QUEUE_FULL"));
  }
}

void WatchStream::Begin() {
  auto job = core_->jobs->Get(id_);
  if (!job.ok()) {
    return Abort(WithResource(job.status(), "job", absl::StrCat("jobs/", id_)));
  }
  state_ = ToProto(job->state);
  // The weak pointer lets the stream go although the manager remembers it.
  std::weak_ptr<WatchStream> weak = Self();
  const int64_t subscription = core_->jobs->Subscribe(id_, [weak] {
    if (auto self = weak.lock()) self->ScheduleRead();
  });
  bool ended = false;
  {
    MutexLock lock(&read_mu_);
    subscription_ = subscription;
    ended = ended_;
  }
  if (ended) return core_->jobs->Unsubscribe(subscription);
  ScheduleRead();
}

void WatchStream::ScheduleRead() {
  {
    MutexLock lock(&read_mu_);
    wanted_ = true;
    if (phase_ != Phase::kResting || ended_) return;
    phase_ = Phase::kReading;
  }
  if (!core_->store_pool->Continue([self = Self()] { self->Read(); })) {
    Close(WithReason(absl::UnavailableError("the server is shutting down"), "DRAINING"));
  }
}

void WatchStream::Read() {
  {
    MutexLock lock(&read_mu_);
    wanted_ = false;
  }
  bool sent = false;
  const absl::Status status = ReadBatch(&sent);
  if (!status.ok()) return Close(status);
  {
    MutexLock lock(&read_mu_);
    phase_ = sent ? Phase::kWriting : Phase::kResting;
    if (!sent && !wanted_) return;
  }
  if (!sent) return ScheduleRead();
  if (idle()) OnIdle();  // it was written before the phase said so
}

absl::Status WatchStream::ReadBatch(bool* sent) {
  STRATA_ASSIGN_OR_RETURN(const auto events, core_->jobs->Events(id_, after_, kBatch));
  for (const JobEvent& event : events) {
    after_ = event.sequence;
    state_ = ToProto(event.state);
    Push(ToProto(event));
  }
  *sent = !events.empty();
  if (!events.empty() && !IsTerminal(events.back().state)) return absl::OkStatus();
  STRATA_ASSIGN_OR_RETURN(const JobRecord job, core_->jobs->Get(id_));
  if (IsTerminal(job.state) && after_ >= job.last_sequence) {
    Close(absl::OkStatus());
    *sent = true;
  }
  return absl::OkStatus();
}

// What was read is written: read on. Does nothing after a keep-alive.
void WatchStream::OnIdle() {
  {
    MutexLock lock(&read_mu_);
    if (phase_ != Phase::kWriting) return;
    phase_ = Phase::kResting;
  }
  ScheduleRead();
}

void WatchStream::Tick(MonotonicTime now) {
  MessageStream::Tick(now);
  if (silent() || now - last_push() < core_->timing.keep_alive) return;
  v1::JobEvent message;
  message.set_type("keep_alive");
  message.set_time_ms(Clock::System()->WallMillis());
  message.set_state(static_cast<v1::JobState>(state_.load()));
  Push(std::move(message));
}

void WatchStream::OnEnded(const absl::Status& status) {
  int64_t subscription = -1;
  {
    MutexLock lock(&read_mu_);
    ended_ = true;
    subscription = subscription_;
  }
  if (subscription >= 0) core_->jobs->Unsubscribe(subscription);
  if (core_->observer != nullptr) {
    core_->observer->OnCall("WatchJob", status.code(),
                            Seconds(Clock::System()->Now() - start_));
  }
}

}  // namespace strata
