#include "server/app/app.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/log.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"
#include "server/app/compute.h"
#include "server/app/data_lock.h"
#include "server/app/host_limits.h"
#include "server/app/signals.h"
#include "server/engine/engine.h"
#include "server/engine/observer_list.h"
#include "server/http/http_server.h"
#include "server/jobs/dataset_store.h"
#include "server/jobs/device_tickets.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/job_store.h"
#include "server/jobs/local_executor.h"
#include "server/metrics/metrics.h"
#include "server/registry/inspector_cache.h"
#include "server/registry/registry.h"
#include "server/rpc/health_service.h"
#include "server/rpc/rpc_server.h"

namespace strata {
namespace {

using Phase = ServerState::Phase;

// At most, after the drain: for calls that are still open to end, e.g. for slow
// readers to take what is written.
constexpr MonotonicDuration kFarewell = std::chrono::seconds(5);

// The RPC layer's counts, as metrics; neither knows the other.
class RpcMetrics final : public RpcObserver {
 public:
  explicit RpcMetrics(Metrics* metrics) : metrics_(metrics) {}
  void OnCall(absl::string_view method, absl::StatusCode code,
              double seconds) override {
    metrics_->OnCall(method, absl::StatusCodeToString(code), seconds);
  }
  void OnRefused(absl::string_view reason) override { metrics_->OnRejected(reason); }

 private:
  Metrics* const metrics_;
};

void SetUpLog(const Flags& flags) {
  SetLogJson(flags.log_format == "json");
  SetLogSeverity(flags.log_level == "debug"     ? Severity::kDebug
                 : flags.log_level == "warning" ? Severity::kWarning
                 : flags.log_level == "error"   ? Severity::kError
                                                : Severity::kInfo);
}

EngineOptions EngineOptionsFor(const Flags& flags, EngineOptions options,
                               EngineObserver* observer) {
  options.max_batch = flags.max_batch;
  options.prefill_items_per_step = flags.prefill_chunk;
  options.phase_wait = flags.phase_wait;
  options.draft_streams = flags.draft_streams;
  options.max_queued_requests = flags.max_queued_requests;
  options.max_queued_bytes = flags.max_queued_bytes;
  options.prefix_cache_bytes = flags.prefix_cache;
  options.observer = observer;
  return options;
}

// Of all workers together.
int64_t StateBudget(const EngineOptions& options) {
  return options.state_memory_bytes *
         (options.state_memory_per_worker ? options.workers : 1);
}

int64_t Millis(MonotonicDuration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

JobManagerOptions JobOptionsFor(const Flags& flags, const Compute& compute,
                                JobObserver* observer) {
  JobManagerOptions options;
  options.jobs_dir = flags.data + "/jobs";
  options.slots = flags.job_slots;
  options.retry_base_ms = Millis(flags.job_retry_base);
  options.stall_timeout_ms = Millis(flags.job_stall_timeout);
  options.keep_ended_ms = Millis(flags.keep_ended_jobs);
  options.max_attempts_without_progress = flags.job_attempts;
  options.datastore_memory = flags.datastore_memory;
  options.trainer_threads = flags.trainer_threads > 0 ? flags.trainer_threads : CpuLimit();
  options.trainer_devices = compute.trainer_devices;
  options.decode_devices = compute.decode_devices;
  options.observer = observer;
  return options;
}

LocalExecutorOptions ExecutorOptionsFor(const Flags& flags, DeviceTickets* tickets) {
  LocalExecutorOptions options;
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  options.command = {self.string(), "trainer"};
  options.nice = flags.trainer_nice;
  options.tickets = flags.trainer_tickets == "off" ? nullptr : tickets;
  options.tickets_for_all = flags.trainer_tickets == "on";
  return options;
}

RpcOptions RpcOptionsFor(const Flags& flags) {
  RpcOptions options;
  options.address = flags.listen;
  options.max_message_bytes = std::min<int64_t>(flags.max_message_bytes, INT32_MAX);
  options.max_connection_age = flags.max_connection_age;
  options.inspect_max_bytes = flags.inspect_max_bytes;
  options.max_queued_calls = flags.max_queued_requests;
  options.max_queued_bytes = flags.max_queued_bytes;
  options.limits = {flags.max_stream_bytes, flags.write_stall_timeout};
  options.timing.heartbeat = flags.heartbeat;
  options.timing.delta_interval = flags.stream_interval;
  options.cores = CpuLimit();
  return options;
}

class AppImpl final : public App {
 public:
  AppImpl(const Flags& flags, const Compute& compute, DataLock lock,
          std::unique_ptr<JobStore> store)
      : flags_(flags),
        lock_(std::move(lock)),
        metrics_({STRATA_VERSION, __VERSION__}),
        tickets_({.share = flags.trainer_share, .observer = &metrics_}),
        registry_(flags.models, compute.loader, compute.classifier_loader,
                  compute.neighbours_loader),
        inspectors_(&registry_, compute.inspector_loader, flags.inspect_memory),
        engine_(EngineOptionsFor(flags, compute.engine, &engine_observers_)),
        datasets_(flags.data + "/datasets", flags.max_dataset_bytes),
        store_(std::move(store)),
        executor_(ExecutorOptionsFor(flags, &tickets_)),
        jobs_(JobOptionsFor(flags, compute, &metrics_), store_.get(), &executor_,
              &datasets_, &registry_) {
    metrics_.SetStateBudget(StateBudget(engine_.options()));
    // Calls come from RPCs and jobs alone, which end before the engine does.
    registry_.SetListener([this] { engine_.ReleaseUnused(); });
  }

  ~AppImpl() override { Leave(); }

  absl::Status Start() {
    // Probes answer from the start; nothing is ready before the models are.
    STRATA_ASSIGN_OR_RETURN(http_, HttpServer::Start(flags_.http, Probes()));
    STRATA_ASSIGN_OR_RETURN(
        rpc_, RpcServer::Start(RpcOptionsFor(flags_), {&engine_, &registry_, &inspectors_,
                                                       &jobs_, &datasets_, &state_,
                                                       &calls_}));
    STRATA_RETURN_IF_ERROR(registry_.LoadAll(SignalPending));
    if (SignalPending()) return absl::OkStatus();  // Run takes it and leaves
    STRATA_RETURN_IF_ERROR(jobs_.Start());
    SetPhase(Phase::kServing);
    STRATA_RETURN_IF_ERROR(WritePortFile());
    LogStart();
    return absl::OkStatus();
  }

  int Run() override {
    const int signal = WaitForSignal();
    Log(Severity::kInfo, "draining", {{"signal", signal}});
    StartExitWatchdog(flags_.drain_delay + flags_.drain_timeout + 3 * kFarewell);
    SetPhase(Phase::kLeaving);
    std::this_thread::sleep_for(flags_.drain_delay);
    SetPhase(Phase::kDraining);
    Drain(Clock::System()->Now() + flags_.drain_timeout);
    Leave();
    return 0;
  }

 private:
  // Streams and jobs end side by side, within the same time.
  void Drain(MonotonicTime deadline) {
    std::thread jobs([&] { jobs_.Stop(deadline); });
    const bool drained = engine_.Drain(deadline);
    if (!rpc_->DrainComputations(deadline) || !drained) {
      Log(Severity::kWarning, "drain timed out: running requests were cut");
    }
    jobs.join();
  }

  void Leave() {
    if (rpc_ != nullptr) rpc_->Shutdown(Clock::System()->Now() + kFarewell);
    rpc_.reset();
    http_.reset();
    if (!flags_.port_file.empty()) {
      std::error_code ignored;
      std::filesystem::remove(flags_.port_file, ignored);
    }
  }

  void SetPhase(Phase phase) {
    state_.Set(phase);
    rpc_->StateChanged();
  }

  std::map<std::string, HttpHandler> Probes() {
    return ProbeHandlers([this] { return IsReady(state_, engine_); },
                         [this] { return engine_.Healthy(kStuckAfter); },
                         [this] {
                           metrics_.SetReady(IsReady(state_, engine_));
                           return metrics_.Text();
                         });
  }

  absl::Status WritePortFile() const {
    if (flags_.port_file.empty()) return absl::OkStatus();
    return WriteFileAtomically(
        flags_.port_file,
        absl::StrCat("grpc=", rpc_->address(), "\nhttp=", http_->address(), "\n"));
  }

  void LogStart() const {
    const EngineOptions& engine = engine_.options();
    Log(Severity::kInfo, "server started",
        {{"version", STRATA_VERSION},
         {"grpc", rpc_->address()},
         {"http", http_->address()},
         {"models", static_cast<long>(registry_.List().size())},
         {"workers", engine.workers},
         {"threads", engine.threads_per_worker},
         {"state_memory", static_cast<long>(StateBudget(engine))}});
  }

  const Flags flags_;
  const DataLock lock_;
  ServerState state_;
  Metrics metrics_;
  RpcMetrics calls_{&metrics_};
  DeviceTickets tickets_;
  EngineObserverList engine_observers_{{&metrics_, &tickets_}};
  ModelRegistry registry_;
  InspectorCache inspectors_;
  Engine engine_;
  DatasetStore datasets_;
  std::unique_ptr<JobStore> store_;
  LocalExecutor executor_;
  JobManager jobs_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<RpcServer> rpc_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<App>> App::Build(const Flags& flags) {
  SetUpLog(flags);
  STRATA_ASSIGN_OR_RETURN(DataLock lock, DataLock::Take(flags.data));
  STRATA_ASSIGN_OR_RETURN(auto store, OpenSqliteJobStore(flags.data + "/jobs.sqlite"));
  STRATA_ASSIGN_OR_RETURN(const Compute compute, PlanCompute(flags));
  auto app = std::make_unique<AppImpl>(flags, compute, std::move(lock), std::move(store));
  const absl::Status status = app->Start();
  if (!status.ok()) return status;
  return std::unique_ptr<App>(std::move(app));
}

}  // namespace strata
