#include "server/rpc/health_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/rpc/message_stream.h"
#include "server/rpc/unary_call.h"

namespace strata {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// Looks at the status on every tick and sends it when it has changed.
class WatchHealth final : public MessageStream<HealthCheckResponse> {
 public:
  WatchHealth(const HealthService* health, std::string service,
              grpc::CallbackServerContext* context, StreamLimits limits)
      : MessageStream(context, limits), health_(health), service_(std::move(service)) {}

  void Tick(MonotonicTime now) override {
    MessageStream::Tick(now);
    MutexLock lock(&sent_mu_);
    const HealthService::Status status = health_->Get(service_);
    if (status == sent_) return;
    sent_ = status;
    HealthCheckResponse message;
    message.set_status(status);
    Push(std::move(message));
  }

 private:
  const HealthService* const health_;
  const std::string service_;
  Mutex sent_mu_;
  HealthService::Status sent_ STRATA_GUARDED_BY(sent_mu_) = HealthCheckResponse::UNKNOWN;
};

}  // namespace

HealthService::Status HealthService::Get(absl::string_view service) const {
  const auto serving = [](bool yes) {
    return yes ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  };
  const bool ready = IsReady(*core_->state, *core_->engine);
  if (service.empty() || service == "readiness") return serving(ready);
  if (service == "liveness") return serving(core_->engine->Healthy(kStuckAfter));
  if (absl::ConsumePrefix(&service, "model/")) {
    const absl::Status status = core_->registry->Resolve(service).status();
    if (!absl::IsNotFound(status) && !absl::IsInvalidArgument(status)) {
      return serving(status.ok() && ready);
    }
  }
  return HealthCheckResponse::SERVICE_UNKNOWN;
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  return RunUnary(core_, context, "Check", nullptr, [&]() -> absl::Status {
    const Status status = Get(request->service());
    if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
      return absl::NotFoundError(absl::StrCat("no service \"", request->service(), "\""));
    }
    response->set_status(status);
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  auto stream = std::make_shared<WatchHealth>(this, request->service(), context,
                                              core_->limits);
  stream->Start(core_->streams, core_->calls);
  stream->Tick(Clock::System()->Now());
  return stream.get();
}

}  // namespace strata
