#pragma once
// RpcCore: what every handler may use. Borrowed pointers; they outlive the
// gRPC server.

#include <functional>

#include "absl/strings/string_view.h"
#include "server/engine/engine.h"
#include "server/engine/error_reason.h"
#include "server/jobs/dataset_store.h"
#include "server/jobs/job_manager.h"
#include "server/registry/inspector_cache.h"
#include "server/registry/registry.h"
#include "server/rpc/compute_pool.h"
#include "server/rpc/live_calls.h"
#include "server/rpc/live_streams.h"
#include "server/rpc/message_stream.h"
#include "server/rpc/server_state.h"
#include "server/rpc/task_pool.h"

namespace strata {

// What the RPC layer tells about itself. From any thread; must not block.
class RpcObserver {
 public:
  virtual ~RpcObserver() = default;
  // A call ended. `method` is one of ours, e.g. "Generate".
  virtual void OnCall(absl::string_view method, absl::StatusCode code,
                      double seconds) {}
  // A request was refused here, before the engine saw it.
  virtual void OnRefused(absl::string_view reason) {}
};

struct StreamTiming {
  MonotonicDuration heartbeat = std::chrono::seconds(10);   // Generate
  MonotonicDuration keep_alive = std::chrono::seconds(15);  // WatchJob
  // Deltas of a Generate are joined and sent once in so long; 0: each at once.
  MonotonicDuration delta_interval = std::chrono::milliseconds(10);
};

struct RpcCore {
  Engine* engine = nullptr;
  ModelRegistry* registry = nullptr;
  JobManager* jobs = nullptr;
  DatasetStore* datasets = nullptr;
  ServerState* state = nullptr;
  RpcObserver* observer = nullptr;
  LiveStreams* streams = nullptr;
  LiveCalls* calls = nullptr;
  TaskPool* store_pool = nullptr;   // jobs' database: milliseconds
  TaskPool* upload_pool = nullptr;  // files and their validation
  TaskPool* load_pool = nullptr;    // models: up to minutes
  ComputePool* compute_pool = nullptr;  // Classify, Embed, Inspect
  InspectorCache* inspectors = nullptr;
  StreamLimits limits;
  StreamTiming timing;
  int64_t inspect_max_bytes = 0;  // of a text
  int64_t max_message_bytes = 0;  // also of an answer that grows with its request

  // Passes the status on; one that is an error is counted by its reason.
  absl::Status Counted(absl::Status status) const {
    if (!status.ok() && observer != nullptr) {
      const std::string reason = ReasonOf(status);
      observer->OnRefused(reason.empty() ? "INVALID_FIELD" : reason);
    }
    return status;
  }
};

}  // namespace strata
