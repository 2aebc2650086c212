#pragma once
// LoadStream: one generation of a load. Everything of it happens on gRPC's own threads,
// which many streams share: a load must not take more of the machine than its requests do.

#include <cstdint>
#include <functional>
#include <memory>

#include "client/connection.h"
#include "client/load_run.h"
#include "grpcpp/alarm.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "model/base/clock.h"
#include "strata/v1/generation.pb.h"

namespace strata {

// What a stream's messages say of it, as they come. One thread at a time.
class StreamTimer {
 public:
  // `due`: when the request was; `report` gets what is seen.
  StreamTimer(MonotonicTime due, LoadReport* report)
      : report_(report), sent_(due), last_(due) {}

  bool started() const { return started_; }  // a byte has come
  // Whether the goals were kept.
  bool Good(const LoadOptions& options) const;
  void OnEvent(const v1::GenerateResponse& event);

 private:
  void OnDelta(const v1::Delta& delta, MonotonicTime now);

  LoadReport* const report_;
  const MonotonicTime sent_;
  MonotonicTime last_;
  bool started_ = false;
};

class LoadStream final : public grpc::ClientReadReactor<v1::GenerateResponse> {
 public:
  // Sends request `number`; `done` hears of it once, on a thread of gRPC's, and then
  // nothing of the stream is left. `connection` and `options` live until then. A failed or
  // cancelled request leaves no timings.
  static void Start(Connection* connection, const LoadOptions& options, uint64_t number,
                    MonotonicTime due, std::function<void(const LoadReport&)> done);

 private:
  LoadStream(const LoadOptions& options, uint64_t number, MonotonicTime due,
             std::function<void(const LoadReport&)> done);

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  LoadReport Result(const grpc::Status& status);

  const LoadOptions& options_;
  const bool goes_away_;  // at its first byte
  std::function<void(const LoadReport&)> done_;
  const v1::GenerateRequest request_;
  grpc::ClientContext context_;
  v1::GenerateResponse event_;
  LoadReport report_;
  StreamTimer timer_;
  bool cancelled_ = false;
  bool finished_ = false;
  grpc::Alarm before_read_;  // of a slow reader
};

}  // namespace strata
