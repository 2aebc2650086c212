#pragma once
// UnaryCall: one unary call that is ended from any thread, once, with an
// absl::Status; counts itself. Deletes itself when gRPC is done with it.
// RunUnary runs a handler on a pool, so that it may block.

#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "grpcpp/grpcpp.h"
#include "model/base/clock.h"
#include "server/rpc/rpc_core.h"
#include "server/rpc/status.h"
#include "server/rpc/task_pool.h"

namespace strata {

class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const RpcCore* core, grpc::CallbackServerContext* context,
            absl::string_view method)
      : core_(core), context_(context), method_(method) {
    core->calls->Begin();
  }

  void End(const absl::Status& status) {
    if (ended_.exchange(true)) return;
    code_ = status.code();
    Finish(EndCall(status, context_));
  }

  void OnDone() override {
    if (core_->observer != nullptr) {
      core_->observer->OnCall(method_, code_,
                              Seconds(Clock::System()->Now() - start_));
    }
    core_->calls->End();
    delete this;
  }

 protected:
  ~UnaryCall() override = default;

 private:
  const RpcCore* const core_;
  grpc::CallbackServerContext* const context_;
  const std::string method_;
  const MonotonicTime start_ = Clock::System()->Now();
  std::atomic<bool> ended_{false};
  absl::StatusCode code_ = absl::StatusCode::kOk;
};

// `handler` () -> absl::Status. Runs in place when `pool` is null.
template <typename Handler>
grpc::ServerUnaryReactor* RunUnary(const RpcCore* core,
                                   grpc::CallbackServerContext* context,
                                   absl::string_view method, TaskPool* pool,
                                   Handler handler) {
  auto* call = new UnaryCall(core, context, method);
  if (pool == nullptr) {
    call->End(handler());
  } else if (!pool->Run([call, handler = std::move(handler)] {
               call->End(handler());
             })) {
    absl::Status admitted = core->state->Admit();
    call->End(admitted.ok()
                  ? WithReason(absl::ResourceExhaustedError(
                                   "too many administrative calls are waiting"),
                               "QUEUE_FULL")
                  : admitted);
  }
  return call;
}

}  // namespace strata
