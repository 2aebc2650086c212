#include "server/rpc/compute_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "server/engine/error_reason.h"

namespace strata {
namespace {

absl::Status QueueFull(absl::string_view message) {
  return WithReason(absl::ResourceExhaustedError(message), "QUEUE_FULL");
}

}  // namespace

absl::Status ComputePool::Reserve(int64_t bytes) {
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
  return absl::OkStatus();
}

void ComputePool::Release(int64_t bytes) {
  MutexLock lock(&mu_);
  --waiting_calls_;
  waiting_bytes_ -= bytes;
}

absl::Status ComputePool::Run(int64_t bytes, std::function<void()> task) {
  STRATA_RETURN_IF_ERROR(Reserve(bytes));
  live_.Begin();
  const bool queued = pool_.Run([this, bytes, task = std::move(task)] {
    Release(bytes);
    task();
    live_.End();
  });
  if (queued) return absl::OkStatus();
  Release(bytes);
  live_.End();
  return WithReason(absl::UnavailableError("the server is shutting down"),
                    "DRAINING");
}

}  // namespace strata
