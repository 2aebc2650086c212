#pragma once
// GenerateStream: one Generate call: the response stream on one side, the
// engine's sink on the other. Accepted is always first; whatever the engine says
// while it is being made waits behind it.

#include <atomic>
#include <memory>
#include <string>

#include "server/engine/request.h"
#include "server/rpc/message_stream.h"
#include "server/rpc/rpc_core.h"
#include "strata/v1/generation.pb.h"

namespace strata {

class GenerateStream final : public MessageStream<v1::GenerateResponse> {
 public:
  GenerateStream(const RpcCore* core, grpc::CallbackServerContext* context);

  // Validates and submits; ends the call itself when refused.
  void Submit(const v1::GenerateRequest& request);
  void Tick(MonotonicTime now) override;

 protected:
  bool Merge(const v1::GenerateResponse& message,
             v1::GenerateResponse* last) override;
  bool MayPass(const v1::GenerateResponse& message,
               const v1::GenerateResponse& waiting) const override;
  bool CanWait(const v1::GenerateResponse& message) const override;
  void OnGone() override;
  void OnEnded(const absl::Status& status) override;

 private:
  class Sink;
  absl::Status TrySubmit(const v1::GenerateRequest& request);

  const RpcCore* const core_;
  const MonotonicTime arrival_;
  std::string id_;     // set before the engine knows the request
  std::string model_;
  std::atomic<bool> decoding_{false};
  std::atomic<bool> engine_done_{false};
  std::atomic<int64_t> processed_{0};
  std::atomic<int64_t> prompt_items_{0};
  std::atomic<int64_t> cached_items_{0};
  // Of all samples: as far as sent; of those that finished, exactly.
  std::atomic<int64_t> delta_items_{0};
  std::atomic<int64_t> finished_items_{0};
  std::atomic<int64_t> queue_position_{0};
};

// The RPC's deadline as an instant of the monotonic clock.
std::optional<MonotonicTime> CallDeadline(const grpc::ServerContextBase& context,
                                          MonotonicTime now);

}  // namespace strata
