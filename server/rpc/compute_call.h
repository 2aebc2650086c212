#pragma once
// ComputeCall: one unary call whose answer is computed on the ComputePool. It
// ends once: with the answer, or as soon as its client goes or its deadline
// passes, when the computation is told by its poll. Owned by shared_ptr, one of
// which is its own until gRPC calls OnDone; the pool holds another.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "grpcpp/grpcpp.h"
#include "model/base/clock.h"
#include "model/base/mutex.h"
#include "model/base/status_macros.h"
#include "server/rpc/rpc_core.h"
#include "server/rpc/status.h"

namespace strata {

// What a call computes and how many bytes it holds meanwhile. `run` fills a
// response of its own, on the pool's thread; `poll` is not OK once nobody wants
// the answer.
template <typename Response>
struct Computation {
  int64_t bytes = 0;
  std::function<absl::Status(const std::function<absl::Status()>& poll,
                             Response* response)>
      run;
};

template <typename Response>
class ComputeCall final
    : public grpc::ServerUnaryReactor,
      public std::enable_shared_from_this<ComputeCall<Response>> {
 public:
  ComputeCall(const RpcCore* core, grpc::CallbackServerContext* context,
              std::string method, Response* response)
      : core_(core),
        context_(context),
        method_(std::move(method)),
        response_(response) {}

  // `prepare` () -> absl::StatusOr<Computation<Response>>, on this thread, if the
  // server admits the call.
  template <typename Prepare>
  void Start(Prepare prepare) {
    self_ = this->shared_from_this();
    core_->calls->Begin();
    const absl::Status status = core_->Counted(TryStart(prepare));
    if (!status.ok()) End(status, nullptr);
  }

  void OnCancel() override { End(CancelCause(*context_), nullptr); }

  void OnDone() override {
    if (core_->observer != nullptr) {
      core_->observer->OnCall(method_, code_,
                              Seconds(Clock::System()->Now() - arrival_));
    }
    core_->calls->End();
    self_.reset();  // may delete this
  }

 private:
  template <typename Prepare>
  absl::Status TryStart(Prepare prepare) {
    const absl::Status admitted = core_->state->Admit();
    if (!admitted.ok()) return admitted;
    STRATA_ASSIGN_OR_RETURN(Computation<Response> work, prepare());
    STRATA_ASSIGN_OR_RETURN(auto place,
                            core_->compute_pool->Reserve(work.bytes));
    {
      MutexLock lock(&mu_);
      if (ended_) return absl::CancelledError("ended before it was queued");
      work_ = std::move(work);
      place_ = std::move(place);
    }
    return core_->compute_pool->Run([self = self_] { self->Run(); });
  }

  void Run() {
    Computation<Response> work;
    {
      MutexLock lock(&mu_);
      if (ended_) return;  // it waited for too long
      place_.reset();
      work = std::exchange(work_, {});
    }
    Response answer;
    const absl::Status status = work.run([this] { return Poll(); }, &answer);
    End(status, &answer);
  }

  absl::Status Poll() {
    MutexLock lock(&mu_);
    return ended_ ? absl::CancelledError("nobody waits for the answer")
                  : absl::OkStatus();
  }

  void End(const absl::Status& status, Response* answer) {
    MutexLock lock(&mu_);
    if (ended_) return;  // context and response are no longer ours
    ended_ = true;
    place_.reset();  // a call that waits in vain keeps nobody out, and no texts
    work_ = {};
    code_ = status.code();
    if (status.ok() && answer != nullptr) response_->Swap(answer);
    Finish(EndCall(status, context_));
  }

  const RpcCore* const core_;
  grpc::CallbackServerContext* const context_;
  const std::string method_;
  Response* const response_;  // gRPC's, until the call has ended
  const MonotonicTime arrival_ = Clock::System()->Now();
  std::shared_ptr<ComputeCall> self_;
  Mutex mu_;
  bool ended_ STRATA_GUARDED_BY(mu_) = false;
  // While it waits.
  Computation<Response> work_ STRATA_GUARDED_BY(mu_);
  std::unique_ptr<ComputePool::Place> place_ STRATA_GUARDED_BY(mu_);
  absl::StatusCode code_ = absl::StatusCode::kOk;
};

}  // namespace strata
