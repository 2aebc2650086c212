// The end of a server: as soon as no call is open, and not before.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/live_calls.h"
#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

MonotonicTime In(MonotonicDuration duration) { return Clock::System()->Now() + duration; }

TEST(LiveCallsTest, NoCallIsNotWaitedFor) {
  LiveCalls calls;
  EXPECT_TRUE(calls.WaitUntilNone(MonotonicTime::min()));
  calls.Begin();
  calls.End();
  EXPECT_TRUE(calls.WaitUntilNone(MonotonicTime::min()));
}

TEST(LiveCallsTest, TheDeadlineEndsTheWait) {
  LiveCalls calls;
  calls.Begin();
  calls.Begin();
  calls.End();
  EXPECT_FALSE(calls.WaitUntilNone(MonotonicTime::min()));
  EXPECT_FALSE(calls.WaitUntilNone(In(milliseconds(20))));
}

TEST(LiveCallsTest, OneMomentWithoutACallEndsTheWait) {
  LiveCalls calls;
  calls.Begin();
  std::atomic<bool> ended{false};
  std::thread waiter([&] {
    EXPECT_TRUE(calls.WaitUntilNone(In(seconds(20))));
    ended = true;
  });
  while (!ended) {
    calls.End();
    calls.Begin();
    std::this_thread::sleep_for(milliseconds(1));
  }
  waiter.join();
}

// A client that is connected and never reads: it answers neither a GOAWAY nor a
// ping, like a channel of Python's without a call.
class SleepingClient {
 public:
  explicit SleepingClient(const std::string& address) {
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    // HTTP/2: the preface, and a SETTINGS frame without settings.
    const std::string hello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    EXPECT_EQ(write(fd_, hello.data(), hello.size()), 33);
    char byte = 0;
    EXPECT_EQ(read(fd_, &byte, 1), 1);  // the server has it
  }
  ~SleepingClient() { close(fd_); }

 private:
  const int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

class ShutdownTest : public RpcFixture {
 protected:
  double SecondsOfShutdown(MonotonicDuration limit) {
    const MonotonicTime start = Clock::System()->Now();
    rpc_->Shutdown(start + limit);
    return Seconds(Clock::System()->Now() - start);
  }
};

TEST_F(ShutdownTest, AClientThatSleepsIsNotWaitedFor) {
  Start();
  const SleepingClient sleeping(rpc_->address());
  EXPECT_TRUE(Generate(Request()).status.ok());
  EXPECT_LT(SecondsOfShutdown(seconds(15)), 5);
}

TEST_F(ShutdownTest, AnOpenCallIsWaitedForAndNewOnesAreToldWhy) {
  std::atomic<bool> hold{false};
  on_load_ = [&](const std::string&) {
    while (hold) std::this_thread::sleep_for(milliseconds(1));
    return absl::OkStatus();
  };
  Start();
  AddVersion("toy", "2");
  hold = true;
  grpc::Status loaded;
  std::thread load([&] {
    grpc::ClientContext context;
    v1::LoadModelRequest request;
    request.set_name("toy@2");
    v1::Model model;
    loaded = models_->LoadModel(&context, request, &model);
  });
  EXPECT_TRUE(Eventually([&] {
    return registry_->Resolve("toy@2").status().code() == absl::StatusCode::kUnavailable;
  }));
  state_.Set(ServerState::Phase::kDraining);
  std::thread shutdown([&] { rpc_->Shutdown(In(seconds(20))); });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Reason(Generate(Request()).status), "DRAINING");
    std::this_thread::sleep_for(milliseconds(5));
  }
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse health;
  auto watch = grpc::health::v1::Health::NewStub(channel_)->Watch(&context, {});
  while (watch->Read(&health)) {
  }
  EXPECT_EQ(Reason(watch->Finish()), "DRAINING");
  hold = false;
  load.join();
  shutdown.join();
  EXPECT_TRUE(loaded.ok()) << loaded.error_message();
}

TEST_F(ShutdownTest, ACallThatStaysIsCutAtTheDeadline) {
  Start();
  grpc::ClientContext context;
  v1::Dataset dataset;
  auto upload = training_->UploadDataset(&context, &dataset);
  v1::UploadDatasetRequest part;
  part.set_data("x");
  EXPECT_TRUE(upload->Write(part));
  EXPECT_TRUE(Generate(Request()).status.ok());  // so the upload is open as well
  EXPECT_LT(SecondsOfShutdown(milliseconds(100)), 5);
  EXPECT_FALSE(upload->Finish().ok());
}

class LastWordsTest : public ShutdownTest, public testing::WithParamInterface<int> {};

// Streams end at different moments, the last of them right before the server.
TEST_P(LastWordsTest, EveryStreamArrivesWhole) {
  switches_.step_millis = 1;
  Start();
  const SleepingClient sleeping(rpc_->address());
  std::vector<Result> results(8);
  std::vector<std::thread> clients;
  for (size_t i = 0; i < results.size(); ++i) {
    clients.emplace_back([&, i] { results[i] = Generate(Request(40 + 3 * i)); });
  }
  EXPECT_TRUE(Eventually([&] {
    return engine_->levels().running + engine_->levels().queued_requests == 8;
  }));
  state_.Set(ServerState::Phase::kDraining);
  EXPECT_TRUE(engine_->Drain(In(seconds(20))));
  EXPECT_LT(SecondsOfShutdown(seconds(15)), 5);
  for (std::thread& client : clients) client.join();
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_TRUE(results[i].status.ok()) << results[i].status.error_message();
    EXPECT_EQ(results[i].data().size(), 40 + 3 * i);
    ASSERT_FALSE(results[i].messages.empty());
    EXPECT_TRUE(results[i].messages.back().has_finished());
  }
}

INSTANTIATE_TEST_SUITE_P(Repeated, LastWordsTest, testing::Range(0, 20));

}  // namespace
}  // namespace strata
