#pragma once
// A channel to one server and the stubs of its services. Calls that fail with
// UNAVAILABLE before the first answer are repeated by the channel, up to four
// attempts in all. Thread-safe.

#include <chrono>
#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "strata/v1/generation.grpc.pb.h"
#include "strata/v1/models.grpc.pb.h"
#include "strata/v1/training.grpc.pb.h"

namespace strata {

class Connection {
 public:
  // `server` is HOST:PORT or any gRPC target; connects at the first call. An
  // `own_socket` connection shares its TCP stream with no other one.
  explicit Connection(const std::string& server, bool own_socket = false);
  explicit Connection(std::shared_ptr<grpc::Channel> channel);

  // Asks for a socket now; else the first call does.
  void BeginConnecting() { channel_->GetState(/*try_to_connect=*/true); }
  // Waits for it until then; one that cannot be had at once is tried again.
  bool WaitConnected(std::chrono::system_clock::time_point until) {
    return channel_->WaitForConnected(until);
  }

  v1::Generation::StubInterface& generation() { return *generation_; }
  v1::Training::StubInterface& training() { return *training_; }
  v1::Models::StubInterface& models() { return *models_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Generation::StubInterface> generation_;
  std::unique_ptr<v1::Training::StubInterface> training_;
  std::unique_ptr<v1::Models::StubInterface> models_;
};

// The service config that every channel gets; clients of others may copy it.
const char* DefaultServiceConfig();

}  // namespace strata
