#pragma once
// WatchStream: one WatchJob call. Replays stored events, then follows: the
// manager's wake-up only schedules a read on the store pool, and the next batch
// is read when the one before is written, so a slow watcher costs one batch.

#include <atomic>
#include <memory>
#include <string>

#include "server/rpc/message_stream.h"
#include "server/rpc/rpc_core.h"
#include "strata/v1/training.pb.h"

namespace strata {

class WatchStream final : public MessageStream<v1::JobEvent> {
 public:
  WatchStream(const RpcCore* core, grpc::CallbackServerContext* context);

  // Validates and starts; ends the call itself when refused.
  void Watch(const v1::WatchJobRequest& request);
  void Tick(MonotonicTime now) override;

 protected:
  void OnIdle() override;
  void OnEnded(const absl::Status& status) override;

 private:
  std::shared_ptr<WatchStream> Self();
  void Begin();         // on the pool
  void ScheduleRead();  // from any thread
  void Read();          // on the pool, one at a time
  absl::Status ReadBatch(bool* sent);

  const RpcCore* const core_;
  const MonotonicTime start_;
  std::string id_;

  Mutex read_mu_;
  enum class Phase { kResting, kReading, kWriting };
  Phase phase_ STRATA_GUARDED_BY(read_mu_) = Phase::kResting;
  bool wanted_ STRATA_GUARDED_BY(read_mu_) = false;  // there may be news
  int64_t subscription_ STRATA_GUARDED_BY(read_mu_) = -1;
  bool ended_ STRATA_GUARDED_BY(read_mu_) = false;
  int64_t after_ = 0;           // used by Read alone
  std::atomic<int> state_{0};   // of the last event sent; for keep-alives
};

}  // namespace strata
