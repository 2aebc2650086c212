#pragma once
// Follows a job to its end through lost connections and server restarts: a
// stream that breaks is opened again after the last event seen, so that every
// stored event is delivered exactly once, in order. `Watch` blocks; `Stop` may
// be called from any thread.

#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/connection.h"
#include "grpcpp/client_context.h"
#include "model/base/mutex.h"
#include "strata/v1/training.pb.h"

namespace strata {

// Unknown states count as "in progress".
bool IsTerminal(v1::JobState state);

class JobWatcher {
 public:
  struct Options {
    int64_t after_sequence = 0;
    // How long a server may stay away before the watch gives up.
    std::chrono::seconds patience{300};
    std::chrono::milliseconds retry_pause{500};
  };
  using OnEvent = std::function<void(const v1::JobEvent&)>;
  using OnNote = std::function<void(const std::string&)>;

  JobWatcher(Connection* connection, std::string job, Options options);

  // The job in its terminal state; CANCELLED after Stop, UNAVAILABLE when
  // patience ran out, the server's error for anything else. Keep-alives are not
  // delivered. `on_note` hears of lost and regained connections.
  absl::StatusOr<v1::Job> Watch(const OnEvent& on_event, const OnNote& on_note);
  void Stop();

 private:
  grpc::Status ReadStream(const OnEvent& on_event, const std::function<void()>& on_heard);
  grpc::Status GetJob(v1::Job* job);
  bool Enter(grpc::ClientContext* context);
  void Leave();
  // False once stopped.
  bool Pause();

  Connection* const connection_;
  const std::string job_;
  const Options options_;
  int64_t last_sequence_;
  Mutex mu_;
  CondVar stopped_changed_;
  bool stopped_ STRATA_GUARDED_BY(mu_) = false;
  grpc::ClientContext* running_ STRATA_GUARDED_BY(mu_) = nullptr;
};

}  // namespace strata
