#include "server/rpc/compute_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/error_reason.h"

namespace strata {
namespace {

absl::Status QueueFull(absl::string_view message) {
  return WithReason(absl::ResourceExhaustedError(message), "QUEUE_FULL");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ComputePool::Place>> ComputePool::Reserve(
    int64_t bytes) {
  MutexLock lock(&mu_);
  if (waiting_calls_ >= max_calls_) {
    return QueueFull(absl::StrCat(max_calls_, " calls wait already"));
  }
  if (waiting_calls_ > 0 && bytes > max_bytes_ - waiting_bytes_) {
    return QueueFull(absl::StrCat("the texts of waiting calls have ",
                                  waiting_bytes_, " bytes already; at most ",
                                  max_bytes_, " may wait"));
  }
  ++waiting_calls_;
  waiting_bytes_ += bytes;
  return std::make_unique<Place>(this, bytes);
}

void ComputePool::Release(int64_t bytes) {
  MutexLock lock(&mu_);
  --waiting_calls_;
  waiting_bytes_ -= bytes;
}

absl::Status ComputePool::Run(std::function<void()> task) {
  live_.Begin();
  const bool queued = pool_.Run([this, task = std::move(task)] {
    task();
    live_.End();
  });
  if (queued) return absl::OkStatus();
  live_.End();
  return WithReason(absl::UnavailableError("the server is shutting down"),
                    "DRAINING");
}

}  // namespace strata
