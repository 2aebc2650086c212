#pragma once
// RpcServer: the gRPC listener with every service on it.
//
// Shutdown order: what the services use (engine, jobs) has ended or ends its
// calls; Shutdown then ends the remaining streams, answers until no call is open,
// closes the listener and the connections, and stops the pools (running what is
// queued). Thread-safe once started.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/rpc/rpc_core.h"

namespace strata {

struct RpcOptions {
  std::string address = "127.0.0.1:0";
  int max_message_bytes = 32 << 20;
  MonotonicDuration max_connection_age{0};  // 0: for ever
  int64_t inspect_max_bytes = 4096;       // of a text
  int64_t max_queued_calls = 1024;        // Classify, Embed, Inspect: waiting
  int64_t max_queued_bytes = 64 << 20;    // of their texts
  int64_t max_streams_per_connection = 1024;
  StreamLimits limits;
  StreamTiming timing;
  MonotonicDuration tick = std::chrono::milliseconds(250);
  int64_t cores = 2;  // that the server may use: see WriteShareOf
};

// What the handlers call. Borrowed; they outlive the server.
struct RpcBackends {
  Engine* engine = nullptr;
  ModelRegistry* registry = nullptr;
  InspectorCache* inspectors = nullptr;
  JobManager* jobs = nullptr;
  DatasetStore* datasets = nullptr;
  ServerState* state = nullptr;
  RpcObserver* observer = nullptr;  // may be null
};

class RpcServer {
 public:
  // UNAVAILABLE when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const RpcOptions& options,
                                                          const RpcBackends& backends);
  virtual ~RpcServer() = default;  // Shutdown(now)

  // With the port that was bound.
  virtual const std::string& address() const = 0;
  // Sends changes of health at once.
  virtual void StateChanged() = 0;
  // Waits until no Classify, Embed or Inspect is left. False at `deadline`.
  virtual bool DrainComputations(MonotonicTime deadline) = 0;
  // Ends every open response stream, and each that still comes, with UNAVAILABLE,
  // reason DRAINING.
  virtual void EndStreams() = 0;
  // Takes as long as calls are open and, while clients stay connected, a moment
  // more. Calls that are still open at `deadline` are cancelled. Idempotent.
  virtual void Shutdown(MonotonicTime deadline) = 0;
};

}  // namespace strata
