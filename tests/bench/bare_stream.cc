// A gRPC callback server that does nothing but stream: every Generate gets a message of
// so many bytes each interval until it has `max_tokens` of them. What a server's streams
// cost is measured against it (tests/bench/streams.py).
//
//   bare_stream PORT_FILE INTERVAL_SECONDS MESSAGE_BYTES
//
// Writes grpc=HOST:PORT to PORT_FILE; ends with SIGTERM.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "strata/v1/generation.grpc.pb.h"

namespace strata {
namespace {

class Stream final : public grpc::ServerWriteReactor<v1::GenerateResponse> {
 public:
  Stream(int64_t left, int64_t message_bytes) : left_(left), bytes_(message_bytes) {}

  // The next message, unless the last one is still on its way.
  void Tick() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (busy_ || over_) return;
      busy_ = true;
    }
    const int64_t count = std::min(left_, bytes_);
    if (count > 0) {
      message_.mutable_delta()->set_data(std::string(count, 'x'));
      message_.mutable_delta()->set_text(std::string(count, 'x'));
      message_.mutable_delta()->set_tokens(static_cast<int>(count));
      left_ -= count;
      generated_ += count;
    } else {
      message_.mutable_finished()->mutable_usage()->set_generated_tokens(generated_);
      last_ = true;
    }
    StartWrite(&message_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok || last_) {
      {
        std::lock_guard<std::mutex> lock(mu_);
        over_ = true;
      }
      Finish(grpc::Status::OK);
      return;
    }
    std::lock_guard<std::mutex> lock(mu_);
    busy_ = false;
  }
  void OnDone() override { self_.reset(); }
  void Keep(std::shared_ptr<Stream> self) { self_ = std::move(self); }

 private:
  std::mutex mu_;
  bool busy_ = false;
  bool over_ = false;
  bool last_ = false;
  int64_t left_;
  int64_t generated_ = 0;
  const int64_t bytes_;
  v1::GenerateResponse message_;
  std::shared_ptr<Stream> self_;
};

class Service final : public v1::Generation::CallbackService {
 public:
  Service(double interval, int64_t bytes) : bytes_(bytes) {
    std::thread([this, interval] {
      for (;;) {
        std::this_thread::sleep_for(std::chrono::duration<double>(interval));
        TickAll();
      }
    }).detach();
  }
  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext*, const v1::GenerateRequest* request) override {
    auto stream = std::make_shared<Stream>(request->max_tokens(), bytes_);
    stream->Keep(stream);
    std::lock_guard<std::mutex> lock(mu_);
    streams_.push_back(stream);
    return stream.get();
  }

 private:
  void TickAll() {
    std::vector<std::shared_ptr<Stream>> live;
    {
      std::lock_guard<std::mutex> lock(mu_);
      for (auto it = streams_.begin(); it != streams_.end();) {
        live.push_back(it->lock());
        if (live.back() == nullptr) live.pop_back(), it = streams_.erase(it);
        else ++it;
      }
    }
    for (const auto& stream : live) stream->Tick();
  }

  const int64_t bytes_;
  std::mutex mu_;
  std::list<std::weak_ptr<Stream>> streams_;
};

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bare_stream PORT_FILE INTERVAL_SECONDS MESSAGE_BYTES\n");
    return 2;
  }
  strata::Service service(std::atof(argv[2]), std::atoll(argv[3]));
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const std::string file = argv[1];
  std::ofstream(file + ".part") << "grpc=127.0.0.1:" << port << "\n";
  std::rename((file + ".part").c_str(), file.c_str());
  server->Wait();
  return 0;
}
