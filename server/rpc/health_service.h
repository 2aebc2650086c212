#pragma once
// grpc.health.v1.Health. Services: "" and "readiness" (admits requests, and no
// executor fails step after step), "liveness" (no worker is stuck; stays SERVING
// while draining) and "model/NAME". Overload changes none of them: a probe that fails under load
// makes the orchestrator kill the server that works hardest.

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/rpc_core.h"

namespace strata {

// A worker that stays in one step for longer than this is stuck.
inline constexpr MonotonicDuration kStuckAfter = std::chrono::seconds(60);

inline bool IsReady(const ServerState& state, const Engine& engine) {
  return state.ready() && !engine.Failing();
}

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  explicit HealthService(const RpcCore* core) : core_(core) {}

  // SERVICE_UNKNOWN for a name that is none of ours.
  Status Get(absl::string_view service) const;

  grpc::ServerUnaryReactor* Check(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request,
      grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  const RpcCore* const core_;
};

}  // namespace strata
