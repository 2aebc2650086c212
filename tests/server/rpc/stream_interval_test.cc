// When a stream's deltas are sent: held and joined, but neither the first nor
// the last.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

std::vector<std::string> Deltas(const std::vector<v1::GenerateResponse>& messages) {
  std::vector<std::string> deltas;
  for (const auto& message : messages) {
    if (message.has_delta()) deltas.push_back(message.delta().data());
  }
  return deltas;
}

class StreamIntervalTest : public RpcFixture {
 protected:
  void StartWith(MonotonicDuration interval, int step_millis) {
    rpc_options_.timing.delta_interval = interval;
    switches_.step_millis = step_millis;
    Start();
  }
};

TEST_F(StreamIntervalTest, NeitherTheFirstNorTheLastDeltaIsHeld) {
  StartWith(hours(1), 40);
  const Result result = Generate(Request(20));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const std::vector<std::string> deltas = Deltas(result.messages);
  ASSERT_EQ(deltas.size(), 2u);
  EXPECT_LT(deltas[0].size(), 15u);
  EXPECT_EQ(result.data(), "defghijklmnopqrstuvw");
  EXPECT_TRUE(result.messages.back().has_finished());
}

TEST_F(StreamIntervalTest, JoinedDeltasCountTheirTokens) {
  StartWith(hours(1), 1);
  int64_t tokens = 0;
  for (const auto& message : Generate(Request(30)).messages) {
    EXPECT_EQ(message.delta().data().size(), static_cast<size_t>(message.delta().tokens()));
    EXPECT_EQ(message.delta().text(), message.delta().data());
    tokens += message.delta().tokens();
  }
  EXPECT_EQ(tokens, 30);
}

TEST_F(StreamIntervalTest, AHeldDeltaGoesWhenItsTimeHasCome) {
  StartWith(milliseconds(100), 2);
  const MonotonicTime start = Clock::System()->Now();
  const Result result = Generate(Request(300));
  const double intervals = Seconds(Clock::System()->Now() - start) / 0.1;
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const size_t deltas = Deltas(result.messages).size();
  EXPECT_GE(deltas, 3u);  // 0.6 s at least
  EXPECT_LE(static_cast<double>(deltas), intervals + 3);
  EXPECT_EQ(result.data().size(), 300u);
}

TEST_F(StreamIntervalTest, ZeroHoldsNothing) {
  StartWith(milliseconds(0), 20);
  const Result result = Generate(Request(20));
  EXPECT_GT(Deltas(result.messages).size(), 10u);
  EXPECT_EQ(result.data().size(), 20u);
}

TEST_F(StreamIntervalTest, ManyHeldStreamsKeepTheirOrder) {
  StartWith(milliseconds(20), 1);
  std::vector<Result> results(30);
  std::vector<std::thread> threads;
  for (Result& result : results) {
    threads.emplace_back([&] { result = Generate(Request(200)); });
  }
  for (std::thread& thread : threads) thread.join();
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += static_cast<char>('a' + (i + 3) % 26);
  for (const Result& result : results) {
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(result.data(), expected);
    EXPECT_TRUE(result.messages.back().has_finished());
  }
}

TEST_F(StreamIntervalTest, CancellingAHeldStreamEndsItAtOnce) {
  StartWith(hours(1), 5);
  grpc::ClientContext context;
  v1::GenerateRequest request = Request(4000);
  request.set_request_id("held");
  auto reader = generation_->Generate(&context, request);
  v1::GenerateResponse message;
  while (reader->Read(&message) && !message.has_delta()) {
  }
  ASSERT_TRUE(engine_->Cancel("held").ok());
  while (reader->Read(&message)) EXPECT_TRUE(message.has_delta());
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
  EXPECT_EQ(engine_->levels().running, 0);
}

TEST_F(StreamIntervalTest, AClientThatLeavesAHeldStreamFreesItsSlot) {
  StartWith(hours(1), 5);
  {
    grpc::ClientContext context;
    auto reader = generation_->Generate(&context, Request(4000));
    v1::GenerateResponse message;
    while (reader->Read(&message) && !message.has_delta()) {
    }
    context.TryCancel();
    reader->Finish();
  }
  EXPECT_TRUE(Eventually([&] { return engine_->levels().running == 0; }));
}

class CountingStream final : public LiveStream {
 public:
  void Tick(MonotonicTime) override { ++ticks; }
  void Flush() override { ++flushes; }
  void Abort(const absl::Status&) override {}
  std::atomic<int> ticks{0};
  std::atomic<int> flushes{0};
};

class LiveStreamsTest : public RpcFixture {};

TEST_F(LiveStreamsTest, FlushesOnceAtTheTimeThatWasAskedFor) {
  LiveStreams streams(hours(1));
  const auto now = std::make_shared<CountingStream>();
  const auto soon = std::make_shared<CountingStream>();
  const auto never = std::make_shared<CountingStream>();
  const MonotonicTime start = Clock::System()->Now();
  streams.FlushAt(never, MonotonicTime::max());
  streams.FlushAt(now, start);
  EXPECT_TRUE(Eventually([&] { return now->flushes == 1; }));
  EXPECT_EQ(never->flushes, 0);
  streams.FlushAt(soon, start + milliseconds(50));
  EXPECT_TRUE(Eventually([&] { return soon->flushes == 1; }));
  EXPECT_GE(Clock::System()->Now() - start, milliseconds(50));
  EXPECT_EQ(never->flushes, 1);  // held ones go together
  EXPECT_EQ(now->flushes + now->ticks, 1);
}

// Takes its time to write.
class SlowStream final : public LiveStream {
 public:
  void Tick(MonotonicTime) override {}
  void Flush() override {
    const MonotonicTime until = Clock::System()->Now() + milliseconds(20);
    while (Clock::System()->Now() < until) {
    }
    ++flushes;
  }
  void Abort(const absl::Status&) override {}
  std::atomic<int> flushes{0};
};

TEST_F(LiveStreamsTest, WhatCanWaitLetsTheThreadRestAndNothingElseDoes) {
  constexpr auto kRest = milliseconds(400);
  LiveStreams streams(hours(1), {.of_a_core = 1e-5, .longest_rest = kRest});
  const auto slow = std::make_shared<SlowStream>();
  const auto held = std::make_shared<CountingStream>();
  const auto urgent = std::make_shared<CountingStream>();
  streams.FlushAt(slow, Clock::System()->Now());
  ASSERT_TRUE(Eventually([&] { return slow->flushes == 1; }));
  const MonotonicTime written = Clock::System()->Now();
  std::this_thread::sleep_for(milliseconds(20));  // the rest has begun
  streams.FlushAt(held, Clock::System()->Now());
  streams.FlushAt(urgent, MonotonicTime::min());
  ASSERT_TRUE(Eventually([&] { return urgent->flushes == 1; }));
  EXPECT_EQ(held->flushes, 0);
  ASSERT_TRUE(Eventually([&] { return held->flushes == 1; }));
  EXPECT_GE(Clock::System()->Now() - written, kRest - milliseconds(20));
}

// Writing of which all is urgent never ends: what is held has its turn.
TEST_F(LiveStreamsTest, WhatCannotWaitDoesNotKeepBackWhatCan) {
  LiveStreams streams(hours(1), {.of_a_core = 1e-5, .longest_rest = milliseconds(50)});
  const auto urgent = std::make_shared<CountingStream>();
  const auto held = std::make_shared<CountingStream>();
  const MonotonicTime start = Clock::System()->Now();
  streams.FlushAt(held, start + milliseconds(20));
  while (held->flushes == 0 && Clock::System()->Now() - start < std::chrono::seconds(20)) {
    streams.FlushAt(urgent, MonotonicTime::min());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_EQ(held->flushes, 1);
  EXPECT_GT(urgent->flushes, 1);
}

TEST_F(LiveStreamsTest, FlushesDoNotKeepTicksAway) {
  LiveStreams streams(milliseconds(5));
  const auto busy = std::make_shared<CountingStream>();
  streams.Add(busy);
  EXPECT_TRUE(Eventually([&] {
    for (int i = 0; i < 100; ++i) streams.FlushAt(busy, MonotonicTime::min());
    return busy->ticks >= 3;
  }));
}

TEST_F(LiveStreamsTest, AStreamThatIsGoneIsForgotten) {
  LiveStreams streams(hours(1));
  const auto other = std::make_shared<CountingStream>();
  {
    const auto gone = std::make_shared<CountingStream>();
    streams.FlushAt(gone, Clock::System()->Now() + milliseconds(20));
  }
  streams.FlushAt(other, Clock::System()->Now() + milliseconds(20));
  EXPECT_TRUE(Eventually([&] { return other->flushes == 1; }));
}

}  // namespace
}  // namespace strata
