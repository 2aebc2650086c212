// Generate, Score and Cancel over a real connection.

#include "gmock/gmock.h"
#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class GenerateTest : public RpcFixture {};

TEST_F(GenerateTest, StreamsAcceptedThenBytesThenOneFinished) {
  Start();
  const Result result = Generate(Request(5));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  ASSERT_GE(result.messages.size(), 3u);
  const v1::Accepted& accepted = result.messages.front().accepted();
  EXPECT_EQ(accepted.model(), "toy@1");
  EXPECT_EQ(accepted.prompt_tokens(), 3);  // SOS and two bytes
  EXPECT_EQ(accepted.max_tokens(), 5);
  EXPECT_FALSE(accepted.request_id().empty());
  EXPECT_EQ(result.data(), "defgh");  // after three items comes 'a' + 3
  const v1::Finished& finished = result.messages.back().finished();
  EXPECT_EQ(finished.reason(), v1::FINISH_REASON_MAX_TOKENS);
  EXPECT_EQ(finished.usage().generated_tokens(), 5);
  EXPECT_EQ(finished.usage().prompt_tokens(), 3);
  int finals = 0;
  for (const auto& message : result.messages) finals += message.has_finished();
  EXPECT_EQ(finals, 1);
}

TEST_F(GenerateTest, SamplesAreTold) {
  Start();
  v1::GenerateRequest request = Request(5);
  request.set_n(3);
  request.mutable_sampling()->set_temperature(0.01);  // as good as greedy
  const Result result = Generate(request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  std::string data[3];
  int finals[3] = {};
  for (const auto& message : result.messages) {
    if (message.has_finished()) ++finals[message.finished().sample()];
    if (!message.has_delta()) continue;
    EXPECT_EQ(finals[message.delta().sample()], 0);
    data[message.delta().sample()] += message.delta().data();
  }
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(data[k], "defgh");
    EXPECT_EQ(finals[k], 1);
  }
  EXPECT_TRUE(result.messages.back().has_finished());
  request.set_n(1000);
  const Result refused = Generate(request);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.status.error_message(), testing::HasSubstr("n is 1000"));
}

TEST_F(GenerateTest, AcceptedSaysEveryDefault) {
  Start();
  v1::GenerateRequest request;
  request.set_model("toy");
  request.set_prompt("");
  request.set_time_limit_seconds(0.001);
  const v1::Accepted accepted = Generate(request).messages.front().accepted();
  EXPECT_EQ(accepted.max_tokens(), 256);
  const v1::SamplingParams& sampling = accepted.sampling();
  EXPECT_TRUE(sampling.has_temperature() && sampling.has_top_k() &&
              sampling.has_top_p() && sampling.has_min_p() &&
              sampling.has_repetition_penalty() && sampling.has_repetition_window() &&
              sampling.has_seed() && sampling.has_ignore_eos());
  EXPECT_EQ(sampling.temperature(), 1);
  const v1::Accepted other = Generate(request).messages.front().accepted();
  EXPECT_NE(other.sampling().seed(), sampling.seed());
  EXPECT_NE(other.request_id(), accepted.request_id());
}

TEST_F(GenerateTest, StopStringEndsTheStreamAndIsNotSent) {
  Start();
  v1::GenerateRequest request = Request(100);
  request.add_stop("kl");
  const Result result = Generate(request);
  EXPECT_EQ(result.data(), "defghij");
  EXPECT_EQ(result.messages.back().finished().reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(result.messages.back().finished().matched_stop(), "kl");
}

TEST_F(GenerateTest, TimeLimitIsAFinishReasonNotAnError) {
  Start();
  switches_.step_millis = 10;
  v1::GenerateRequest request = Request(4000);
  request.set_time_limit_seconds(0.2);
  const Result result = Generate(request);
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.messages.back().finished().reason(), v1::FINISH_REASON_DEADLINE);
}

TEST_F(GenerateTest, CancelEndsTheVictimsStream) {
  Start();
  switches_.step_millis = 5;
  v1::GenerateRequest request = Request(4000);
  request.set_request_id("victim");
  Result result;
  std::thread victim([&] { result = Generate(request); });
  const bool cancelled = Eventually([&] {
    grpc::ClientContext context;
    v1::CancelRequest cancel;
    cancel.set_request_id("victim");
    v1::CancelResponse response;
    return generation_->Cancel(&context, cancel, &response).ok();
  });
  victim.join();
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(result.status.error_code(), grpc::CANCELLED);
  EXPECT_EQ(engine_->levels().running, 0);
}

TEST_F(GenerateTest, AQueuedStreamGetsHeartbeats) {
  engine_options_.max_batch = 1;
  rpc_options_.timing.heartbeat = std::chrono::milliseconds(30);
  Start();
  switches_.Close();
  std::thread first([&] { Generate(Request()); });
  EXPECT_TRUE(Eventually([&] { return engine_->levels().running == 1; }));
  grpc::ClientContext context;
  auto reader = generation_->Generate(&context, Request());
  v1::GenerateResponse message;
  int beats = 0;
  while (beats < 3 && reader->Read(&message)) beats += message.has_prompt_progress();
  EXPECT_EQ(beats, 3);
  switches_.Open();
  bool finished = false;
  while (reader->Read(&message)) finished = message.has_finished();
  EXPECT_TRUE(finished);
  EXPECT_TRUE(reader->Finish().ok());
  first.join();
}

TEST_F(GenerateTest, AReaderThatNeverReadsIsCutOff) {
  rpc_options_.limits.write_stall = std::chrono::milliseconds(500);
  rpc_options_.limits.max_pending_bytes = 1 << 20;
  Start();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1);
  const auto channel = grpc::CreateCustomChannel(
      rpc_->address(), grpc::InsecureChannelCredentials(), arguments);
  const auto stub = v1::Generation::NewStub(channel);
  // Enough streams on one connection to fill its window.
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>>> readers;
  for (int i = 0; i < 40; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub->Generate(contexts.back().get(), Request(4000)));
  }
  int cut = 0;
  EXPECT_TRUE(Eventually([&] {
    return engine_->levels().running + engine_->levels().queued_requests == 0;
  }));
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  for (auto& reader : readers) {
    v1::GenerateResponse message;
    while (reader->Read(&message)) {
    }
    cut += !reader->Finish().ok();
  }
  EXPECT_GT(cut, 0);
  EXPECT_TRUE(Generate(Request()).status.ok());  // others go on
}

TEST_F(GenerateTest, ScoreGivesEveryItem) {
  Start();
  grpc::ClientContext context;
  v1::ScoreRequest request;
  request.set_model("toy");
  request.set_text("bcde");  // after n items comes 'a' + n: all expected
  v1::ScoreResponse response;
  const grpc::Status status = generation_->Score(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.bytes(), 4);
  ASSERT_EQ(response.log2_prob_size(), 4);
  EXPECT_EQ(response.item_bytes_size(), 4);
  for (const double log2_prob : response.log2_prob()) EXPECT_NEAR(log2_prob, 0, 1e-3);
  EXPECT_EQ(response.model(), "toy@1");
}

TEST_F(GenerateTest, EmptyScoreIsRefused) {
  Start();
  grpc::ClientContext context;
  v1::ScoreRequest request;
  request.set_model("toy");
  v1::ScoreResponse response;
  EXPECT_EQ(Field(generation_->Score(&context, request, &response)), "text");
}

TEST_F(GenerateTest, DrainFinishesWhatWasAdmitted) {
  Start();
  switches_.step_millis = 2;
  Result running;
  std::thread stream([&] { running = Generate(Request(50)); });
  EXPECT_TRUE(Eventually([&] { return engine_->levels().running == 1; }));
  state_.Set(ServerState::Phase::kDraining);
  EXPECT_TRUE(engine_->Drain(Clock::System()->Now() + std::chrono::seconds(20)));
  rpc_->Shutdown(Clock::System()->Now() + std::chrono::seconds(5));
  stream.join();
  EXPECT_TRUE(running.status.ok()) << running.status.error_message();
  EXPECT_EQ(running.data().size(), 50u);
}

TEST_F(GenerateTest, ADrainThatTimesOutEndsStreamsWithUnavailable) {
  Start();
  switches_.step_millis = 5;
  Result running;
  std::thread stream([&] { running = Generate(Request(4000)); });
  EXPECT_TRUE(Eventually([&] { return engine_->levels().running == 1; }));
  EXPECT_FALSE(engine_->Drain(Clock::System()->Now()));
  stream.join();
  EXPECT_EQ(running.status.error_code(), grpc::UNAVAILABLE);
}

}  // namespace
}  // namespace strata
