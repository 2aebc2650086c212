#pragma once
// ScoreCall: one Score call and its sink. Owned by shared_ptr, one of which is
// its own until gRPC calls OnDone; the engine holds another through the sink.

#include <atomic>
#include <memory>
#include <cstdint>
#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "model/base/mutex.h"
#include "server/rpc/rpc_core.h"
#include "strata/v1/generation.pb.h"

namespace strata {

class ScoreCall final : public grpc::ServerUnaryReactor,
                        public std::enable_shared_from_this<ScoreCall> {
 public:
  ScoreCall(const RpcCore* core, grpc::CallbackServerContext* context,
            v1::ScoreResponse* response);
  void Start(const v1::ScoreRequest& request);

  void OnCancel() override;
  void OnDone() override;

 private:
  class Sink;
  absl::Status TryStart(const v1::ScoreRequest& request);
  void Fill(absl::Span<const double> log2_probs);
  void End(const absl::Status& status);

  const RpcCore* const core_;
  grpc::CallbackServerContext* const context_;
  v1::ScoreResponse* const response_;  // gRPC's, until the call has ended
  const MonotonicTime arrival_;
  std::shared_ptr<ScoreCall> self_;
  std::string id_;
  std::string model_;
  std::vector<int32_t> item_bytes_;  // of each scored item; set before the engine is
  std::atomic<bool> engine_done_{false};
  Mutex mu_;
  bool ended_ STRATA_GUARDED_BY(mu_) = false;
  absl::StatusCode code_ = absl::StatusCode::kOk;
};

}  // namespace strata
