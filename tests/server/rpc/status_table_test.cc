// The status-code contract, row by row, as a client sees it.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class StatusTableTest : public RpcFixture {};

struct BadField {
  const char* field;
  std::function<void(v1::GenerateRequest*)> spoil;
};

TEST_F(StatusTableTest, BadParametersAreInvalidArgumentNamingTheField) {
  Start();
  using R = v1::GenerateRequest;
  const std::vector<BadField> rows = {
      {"model", [](R* r) { r->clear_model(); }},
      {"prompt", [](R* r) { r->clear_prompt(); }},
      {"sampling.temperature", [](R* r) { r->mutable_sampling()->set_temperature(-1); }},
      {"sampling.temperature",
       [](R* r) { r->mutable_sampling()->set_temperature(std::nan("")); }},
      {"sampling.top_k", [](R* r) { r->mutable_sampling()->set_top_k(-1); }},
      {"sampling.top_k", [](R* r) { r->mutable_sampling()->set_top_k(261); }},
      {"sampling.top_p", [](R* r) { r->mutable_sampling()->set_top_p(0); }},
      {"sampling.min_p", [](R* r) { r->mutable_sampling()->set_min_p(1.5); }},
      {"sampling.repetition_penalty",
       [](R* r) { r->mutable_sampling()->set_repetition_penalty(0); }},
      {"sampling.repetition_window",
       [](R* r) { r->mutable_sampling()->set_repetition_window(5000); }},
      {"max_tokens", [](R* r) { r->set_max_tokens(0); }},
      {"n", [](R* r) { r->set_n(0); }},
      {"n", [](R* r) { r->set_n(2), r->mutable_sampling()->set_temperature(0); }},
      {"max_tokens", [](R* r) { r->set_max_tokens(4097); }},
      {"stop", [](R* r) { for (int i = 0; i < 17; ++i) r->add_stop("x"); }},
      {"stop[1]", [](R* r) { r->add_stop("x"); r->add_stop(""); }},
      {"stop[0]", [](R* r) { r->add_stop(std::string(257, 'x')); }},
      {"time_limit_seconds", [](R* r) { r->set_time_limit_seconds(-1); }},
      {"time_limit_seconds", [](R* r) { r->set_time_limit_seconds(std::nan("")); }},
      {"request_id", [](R* r) { r->set_request_id("a\nb"); }},
      {"request_id", [](R* r) { r->set_request_id(std::string(129, 'a')); }},
  };
  for (const BadField& row : rows) {
    v1::GenerateRequest request = Request();
    row.spoil(&request);
    const Result result = Generate(request);
    EXPECT_EQ(result.status.error_code(), grpc::INVALID_ARGUMENT) << row.field;
    EXPECT_EQ(Field(result.status), row.field) << result.status.error_message();
    EXPECT_EQ(Reason(result.status), "INVALID_FIELD");
    EXPECT_TRUE(result.messages.empty());
  }
}

TEST_F(StatusTableTest, UnknownModelIsNotFoundNamingIt) {
  Start();
  for (const char* name : {"nobody", "toy@9"}) {
    v1::GenerateRequest request = Request();
    request.set_model(name);
    const Result result = Generate(request);
    EXPECT_EQ(result.status.error_code(), grpc::NOT_FOUND);
    EXPECT_EQ(Reason(result.status), "MODEL_NOT_FOUND");
    const auto resource = Detail<google::rpc::ResourceInfo>(result.status);
    ASSERT_TRUE(resource.has_value());
    EXPECT_EQ(resource->resource_type(), "model");
    EXPECT_EQ(resource->resource_name(), name);
  }
}

TEST_F(StatusTableTest, LoadingModelIsUnavailableAndSaysWhenToRetry) {
  AddVersion("slow", "1");
  std::atomic<bool> hold{false}, entered{false};
  on_load_ = [&](const std::string& dir) {
    if (dir.find("/slow/2") == std::string::npos) return absl::OkStatus();
    entered = true;
    while (hold) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return absl::OkStatus();
  };
  Start();
  AddVersion("slow", "2");
  hold = true;
  std::thread load([&] {
    grpc::ClientContext context;
    v1::LoadModelRequest request;
    request.set_name("slow@2");
    v1::Model model;
    const grpc::Status status = models_->LoadModel(&context, request, &model);
    EXPECT_TRUE(status.ok()) << status.error_message();
  });
  EXPECT_TRUE(Eventually([&] { return entered.load(); }));
  v1::GenerateRequest request = Request();
  request.set_model("slow@2");
  const Result result = Generate(request);
  hold = false;
  load.join();
  EXPECT_EQ(result.status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Reason(result.status), "MODEL_LOADING");
  EXPECT_TRUE(Detail<google::rpc::RetryInfo>(result.status).has_value());
  EXPECT_TRUE(Generate(request).status.ok());  // and now it can be used
}

TEST_F(StatusTableTest, AVersionThatIsNotInMemoryIsFailedPrecondition) {
  AddVersion("toy", "2");
  Start();
  v1::GenerateRequest request = Request();
  request.set_model("toy@1");
  const Result result = Generate(request);
  EXPECT_EQ(result.status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(result.status), "MODEL_NOT_LOADED");
  EXPECT_TRUE(Detail<google::rpc::ResourceInfo>(result.status).has_value());
}

TEST_F(StatusTableTest, FullQueueIsResourceExhaustedWithPushback) {
  engine_options_.max_batch = 1;
  engine_options_.max_queued_requests = 1;
  Start();
  switches_.Close();
  std::vector<std::thread> streams;
  for (int i = 0; i < 2; ++i) {
    streams.emplace_back([&] { EXPECT_TRUE(Generate(Request()).status.ok()); });
    EXPECT_TRUE(Eventually([&] {
      const EngineLevels levels = engine_->levels();
      return levels.running + levels.queued_requests == i + 1 &&
             levels.queued_requests <= i;
    }));
  }
  const Result result = Generate(Request());
  switches_.Open();
  for (std::thread& stream : streams) stream.join();
  EXPECT_EQ(result.status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(result.status), "QUEUE_FULL");
  EXPECT_TRUE(Detail<google::rpc::RetryInfo>(result.status).has_value());
  EXPECT_TRUE(Detail<google::rpc::QuotaFailure>(result.status).has_value());
  ASSERT_EQ(result.trailers.count(kPushbackKey), 1u);
  EXPECT_EQ(result.trailers.find(kPushbackKey)->second, "1000");
}

TEST_F(StatusTableTest, WhatCanNeverFitIsInvalidArgument) {
  engine_options_.state_memory_bytes = 2048;  // 128 items of the toy
  Start();
  v1::GenerateRequest long_prompt = Request();
  long_prompt.set_prompt(std::string(4096, 'x'));
  v1::GenerateRequest big_state = Request();
  big_state.set_prompt(std::string(1000, 'x'));
  for (const auto& request : {long_prompt, big_state}) {
    const Result result = Generate(request);
    EXPECT_EQ(result.status.error_code(), grpc::INVALID_ARGUMENT);
    EXPECT_EQ(Reason(result.status), "CONTEXT_LENGTH_EXCEEDED");
    EXPECT_FALSE(Detail<google::rpc::RetryInfo>(result.status).has_value());
  }
}

TEST_F(StatusTableTest, DeadlineInTheQueueIsDeadlineExceeded) {
  engine_options_.max_batch = 1;
  Start();
  switches_.step_millis = 20;
  std::thread busy([&] { EXPECT_TRUE(Generate(Request(100)).status.ok()); });
  EXPECT_TRUE(Eventually([&] { return engine_->levels().running == 1; }));
  const Result result = Generate(Request(), /*deadline_millis=*/100);
  EXPECT_EQ(result.status.error_code(), grpc::DEADLINE_EXCEEDED);
  for (const auto& message : result.messages) EXPECT_FALSE(message.has_finished());
  EXPECT_TRUE(Eventually([&] { return counts_.Get("expired", "queued") == 1; }));
  EXPECT_EQ(counts_.Get("cancelled", ""), 0);
  busy.join();
}

TEST_F(StatusTableTest, ClientGoneIsCountedAsCancelledAndFreesTheSlot) {
  Start();
  switches_.step_millis = 5;
  grpc::ClientContext context;
  auto reader = generation_->Generate(&context, Request(4000));
  v1::GenerateResponse message;
  while (reader->Read(&message) && !message.has_delta()) {
  }
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return engine_->levels().running == 0; }));
  EXPECT_EQ(counts_.Get("ended", "cancelled"), 1);
}

TEST_F(StatusTableTest, DrainingIsUnavailable) {
  Start();
  state_.Set(ServerState::Phase::kDraining);
  const Result result = Generate(Request());
  EXPECT_EQ(result.status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Reason(result.status), "DRAINING");
  grpc::ClientContext context;
  v1::Job job;
  EXPECT_EQ(Reason(training_->Train(&context, v1::TrainRequest(), &job)), "DRAINING");
}

TEST_F(StatusTableTest, StartingIsUnavailableAndSaysWhenToRetry) {
  Start();
  state_.Set(ServerState::Phase::kStarting);
  const Result result = Generate(Request());
  EXPECT_EQ(result.status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Reason(result.status), "STARTING");
  EXPECT_TRUE(Detail<google::rpc::RetryInfo>(result.status).has_value());
}

TEST_F(StatusTableTest, OutOfMemoryFailsOneRequestAndTheServerLives) {
  Start();
  switches_.out_of_memory = true;
  const Result result = Generate(Request());
  EXPECT_EQ(result.status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(result.status), "OUT_OF_MEMORY");
  switches_.out_of_memory = false;
  EXPECT_TRUE(Generate(Request()).status.ok());
}

TEST_F(StatusTableTest, EngineFaultIsInternal) {
  Start();
  switches_.fail_step = true;
  const Result result = Generate(Request());
  EXPECT_EQ(result.status.error_code(), grpc::INTERNAL);
  EXPECT_EQ(Reason(result.status), "ENGINE_FAULT");
}

TEST_F(StatusTableTest, RequestIdInUseIsAlreadyExists) {
  Start();
  switches_.Close();
  v1::GenerateRequest request = Request();
  request.set_request_id("mine");
  std::thread first([&] { EXPECT_TRUE(Generate(request).status.ok()); });
  EXPECT_TRUE(Eventually([&] {
    const EngineLevels levels = engine_->levels();
    return levels.running + levels.queued_requests == 1;
  }));
  const Result second = Generate(request);
  EXPECT_EQ(second.status.error_code(), grpc::ALREADY_EXISTS);
  EXPECT_EQ(Reason(second.status), "REQUEST_ID_IN_USE");
  switches_.Open();
  first.join();
}

TEST_F(StatusTableTest, ChatNeedsATemplate) {
  Start();
  v1::GenerateRequest request = Request();
  auto* message = request.mutable_messages()->add_messages();
  message->set_role("user");
  message->set_content("hello");
  const Result refused = Generate(request);
  EXPECT_EQ(refused.status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(refused.status), "NO_TEMPLATE");
  request.set_model("chatty");
  EXPECT_TRUE(Generate(request).status.ok());
  request.mutable_messages()->mutable_messages(0)->set_role("wizard");
  const Result result = Generate(request);
  EXPECT_EQ(result.status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Field(result.status), "messages[0].role");
}

TEST_F(StatusTableTest, CancelOfAnUnknownRequestIsNotFound) {
  Start();
  grpc::ClientContext context;
  v1::CancelRequest request;
  request.set_request_id("nobody");
  v1::CancelResponse response;
  EXPECT_EQ(generation_->Cancel(&context, request, &response).error_code(),
            grpc::NOT_FOUND);
}

}  // namespace
}  // namespace strata
