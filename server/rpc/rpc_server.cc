#include "server/rpc/rpc_server.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpc/support/log.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "model/base/bind_error.h"
#include "model/base/log.h"
#include "server/rpc/generation_service.h"
#include "server/rpc/health_service.h"
#include "server/rpc/models_service.h"
#include "server/rpc/training_service.h"

namespace strata {
namespace {

constexpr size_t kMaxWaitingTasks = 1024;

// After the last call: for clients to read what is in the kernel and to leave.
// One that reads goes within a round trip; one that sleeps is not waited for.
constexpr MonotonicDuration kGrace = std::chrono::milliseconds(300);

int Millis(MonotonicDuration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

void SetArguments(const RpcOptions& options, grpc::ServerBuilder* builder) {
  // A second server on the port must fail, not steal half of the traffic.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients that ping every 10 s while a prompt is read are welcome; dead ones
  // are found within 40 s.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              options.max_streams_per_connection);
  builder->SetMaxReceiveMessageSize(options.max_message_bytes);
  if (options.max_connection_age.count() > 0) {
    // The grace is endless: age moves idle connections, never cuts a stream.
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                                Millis(options.max_connection_age));
  }
}

void LogForGrpc(gpr_log_func_args* record) {
  const char* slash = std::strrchr(record->file, '/');
  Log(Severity::kDebug, "grpc",
      {{"file", slash == nullptr ? record->file : slash + 1},
       {"line", record->line},
       {"message", record->message}});
}

// What gRPC writes to standard error, e.g. that a port is taken, is said by a
// status as well: it becomes a debug record of ours. Who sets GRPC_VERBOSITY
// wants gRPC's own words.
void RouteGrpcLog() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function(LogForGrpc);
}

class RpcServerImpl final : public RpcServer {
 public:
  RpcServerImpl(const RpcOptions& options, const RpcBackends& backends)
      : streams_(options.tick, WriteShareOf(options.cores)),
        compute_pool_(options.max_queued_calls, options.max_queued_bytes),
        core_{backends.engine, backends.registry, backends.jobs, backends.datasets,
              backends.state, backends.observer, &streams_, &calls_, &store_pool_,
              &upload_pool_, &load_pool_, &compute_pool_, backends.inspectors,
              options.limits, options.timing, options.inspect_max_bytes,
              options.max_message_bytes} {}

  ~RpcServerImpl() override { Shutdown(Clock::System()->Now()); }

  absl::Status Listen(const RpcOptions& options) {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    SetArguments(options, &builder);
    int port = 0;
    builder.AddListeningPort(options.address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&generation_);
    builder.RegisterService(&training_);
    builder.RegisterService(&models_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return BindError("listen", options.address);
    }
    address_ = absl::StrCat(options.address.substr(0, options.address.rfind(':')), ":",
                            port);
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }
  void StateChanged() override { streams_.TickNow(); }

  bool DrainComputations(MonotonicTime deadline) override {
    return compute_pool_.WaitUntilNone(deadline);
  }

  void EndStreams() override {
    streams_.AbortAll(
        WithReason(absl::UnavailableError("the server is shutting down"), "DRAINING"));
  }

  void Shutdown(MonotonicTime deadline) override {
    if (server_ == nullptr) return;
    EndStreams();
    calls_.WaitUntilNone(deadline);
    const MonotonicTime now = Clock::System()->Now();
    const MonotonicDuration left = std::min(deadline, now + kGrace) - now;
    server_->Shutdown(std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::microseconds>(left));
    server_.reset();
    // No call is left, so no task is: this only joins the threads.
    compute_pool_.Stop();
    load_pool_.Stop();
    upload_pool_.Stop();
    store_pool_.Stop();
  }

 private:
  LiveStreams streams_;
  LiveCalls calls_;
  TaskPool store_pool_{2, kMaxWaitingTasks};
  TaskPool upload_pool_{2, kMaxWaitingTasks};
  TaskPool load_pool_{2, kMaxWaitingTasks};
  ComputePool compute_pool_;
  const RpcCore core_;
  GenerationService generation_{&core_};
  TrainingService training_{&core_};
  ModelsService models_{&core_};
  HealthService health_{&core_};
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const RpcOptions& options, const RpcBackends& backends) {
  RouteGrpcLog();
  auto server = std::make_unique<RpcServerImpl>(options, backends);
  const absl::Status status = server->Listen(options);
  if (!status.ok()) return status;
  return std::unique_ptr<RpcServer>(std::move(server));
}

}  // namespace strata
