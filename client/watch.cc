#include "client/watch.h"

#include <optional>

#include "client/status.h"

namespace strata {
namespace {

// A server that dies takes its streams down as UNAVAILABLE; a proxy or an older
// library may say UNKNOWN or INTERNAL. Asking again tells which it was.
bool MayResume(grpc::StatusCode code) {
  return IsTransient(code) || code == grpc::StatusCode::UNKNOWN ||
         code == grpc::StatusCode::INTERNAL;
}

}  // namespace

bool IsTerminal(v1::JobState state) {
  return state == v1::SUCCEEDED || state == v1::CANCELLED || state == v1::FAILED;
}

JobWatcher::JobWatcher(Connection* connection, std::string job, Options options)
    : connection_(connection),
      job_(std::move(job)),
      options_(options),
      last_sequence_(options.after_sequence) {}

bool JobWatcher::Enter(grpc::ClientContext* context) {
  MutexLock lock(&mu_);
  if (stopped_) return false;
  running_ = context;
  return true;
}

void JobWatcher::Leave() {
  MutexLock lock(&mu_);
  running_ = nullptr;
}

void JobWatcher::Stop() {
  MutexLock lock(&mu_);
  stopped_ = true;
  if (running_ != nullptr) running_->TryCancel();
  stopped_changed_.SignalAll();
}

bool JobWatcher::Pause() {
  const auto until = CondVar::Clock::now() + options_.retry_pause;
  MutexLock lock(&mu_);
  while (!stopped_ && stopped_changed_.WaitUntil(&mu_, until)) {
  }
  return !stopped_;
}

grpc::Status JobWatcher::ReadStream(const OnEvent& on_event,
                                    const std::function<void()>& on_heard) {
  grpc::ClientContext context;
  if (!Enter(&context)) return grpc::Status::CANCELLED;
  v1::WatchJobRequest request;
  request.set_name(job_);
  request.set_after_sequence(last_sequence_);
  auto reader = connection_->training().WatchJob(&context, request);
  v1::JobEvent event;
  while (reader->Read(&event)) {
    on_heard();
    if (event.sequence() <= last_sequence_) continue;  // a keep-alive
    last_sequence_ = event.sequence();
    on_event(event);
  }
  const grpc::Status status = reader->Finish();
  Leave();
  return status;
}

grpc::Status JobWatcher::GetJob(v1::Job* job) {
  grpc::ClientContext context;
  if (!Enter(&context)) return grpc::Status::CANCELLED;
  v1::GetJobRequest request;
  request.set_name(job_);
  const grpc::Status status = connection_->training().GetJob(&context, request, job);
  Leave();
  return status;
}

absl::StatusOr<v1::Job> JobWatcher::Watch(const OnEvent& on_event, const OnNote& on_note) {
  bool ever_heard = false;
  std::optional<CondVar::Clock::time_point> lost;  // when the connection went
  const auto on_heard = [&] {
    if (lost.has_value()) on_note("connected again");
    lost.reset();
    ever_heard = true;
  };
  while (true) {
    grpc::Status status = ReadStream(on_event, on_heard);
    if (status.ok()) {
      v1::Job job;
      status = GetJob(&job);
      if (status.ok()) on_heard();
      if (status.ok() && IsTerminal(job.state())) return job;
    }
    if (!status.ok()) {
      if (!ever_heard || !MayResume(status.error_code())) return FromGrpc(status);
      const auto now = CondVar::Clock::now();
      if (!lost.has_value()) {
        lost = now;
        on_note("connection to the server lost; trying again …");
      } else if (now - *lost > options_.patience) {
        return FromGrpc(status);
      }
    }
    if (!Pause()) return absl::CancelledError("detached");
  }
}

}  // namespace strata
