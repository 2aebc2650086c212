// Inspect over real gRPC: answers, the rows of the status table that are its own,
// and how a call ends early.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class InspectTest : public RpcFixture {
 protected:
  static v1::InspectRequest Request(const std::string& text = "abc",
                                    const std::string& model = "toy") {
    v1::InspectRequest request;
    request.set_model(model);
    request.set_text(text);
    return request;
  }

  grpc::Status Inspect(const v1::InspectRequest& request,
                       v1::InspectResponse* response, int deadline_millis = 20000) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(deadline_millis));
    return generation_->Inspect(&context, request, response);
  }
  grpc::Status Inspect(const v1::InspectRequest& request) {
    v1::InspectResponse ignored;
    return Inspect(request, &ignored);
  }
};

TEST_F(InspectTest, AnswersWithWhatTheInspectorSays) {
  Start();
  v1::InspectResponse response;
  const grpc::Status status = Inspect(Request(), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.model(), "toy@1");
  EXPECT_EQ(response.bytes(), 3);
  EXPECT_EQ(response.bits_per_byte(), 0.5);
  ASSERT_EQ(response.surprise_bits_size(), 3);
  ASSERT_EQ(response.levels_size(), 1);
  const v1::InspectedLevel& level = response.levels(0);
  EXPECT_EQ(level.heads(), 2);
  ASSERT_EQ(level.items_size(), 4);
  EXPECT_EQ(level.items(3).begin_byte(), 2);
  EXPECT_FALSE(level.has_pooling());  // it is the top
  ASSERT_EQ(level.stacks_size(), 3);
  const v1::InspectedStack& stack = level.stacks(0);
  EXPECT_EQ(stack.kind(), v1::STACK_KIND_DECODER);
  EXPECT_EQ(stack.scope(), "full");
  EXPECT_EQ(stack.positions(), 5);
  EXPECT_EQ(stack.keys(0).kind(), v1::KEY_KIND_START);
  EXPECT_EQ(stack.keys(4).end_byte(), 3);
  EXPECT_EQ(stack.maps(0).rows(4).links(0).key(), 3);
  EXPECT_EQ(stack.maps(0).rows(4).links(0).weight(), 0.75);
  EXPECT_EQ(stack.maps(0).rows(4).rest(), 0.25);
  const v1::InspectedStack& bridge = level.stacks(1);
  EXPECT_EQ(bridge.kind(), v1::STACK_KIND_BRIDGE);
  EXPECT_EQ(bridge.positions(), 5);
  EXPECT_EQ(bridge.keys(5).kind(), v1::KEY_KIND_CONTEXT);
  EXPECT_EQ(bridge.keys(5).end_byte(), 3);
  EXPECT_EQ(bridge.maps(0).rows(4).links(0).key(), 5);
  EXPECT_EQ(bridge.rate(), 0);
  EXPECT_EQ(level.stacks(2).kind(), v1::STACK_KIND_STREAM);
  EXPECT_EQ(level.stacks(2).stream(), 1);
  EXPECT_EQ(level.stacks(2).rate(), 4);
  EXPECT_EQ(level.stacks(2).stride(), 2);
}

TEST_F(InspectTest, BadRequestsNameTheField) {
  Start();
  EXPECT_EQ(Field(Inspect(Request(""))), "text");
  EXPECT_EQ(Field(Inspect(Request("a", ""))), "model");
  EXPECT_EQ(Inspect(Request("a", "nobody")).error_code(), grpc::NOT_FOUND);
  using R = v1::InspectRequest;
  const std::vector<std::pair<const char*, std::function<void(R*)>>> rows = {
      {"levels[1]", [](R* r) { r->add_levels(0); r->add_levels(1); }},
      {"levels[0]", [](R* r) { r->add_levels(-1); }},
      {"layers[0]", [](R* r) { r->add_layers(1); }},
      {"layers[0]", [](R* r) { r->add_layers(-2); }},
      {"heads[0]", [](R* r) { r->add_heads(2); }},
      {"heads", [](R* r) { for (int i = 0; i < 2000; ++i) r->add_heads(0); }},
      {"top_k", [](R* r) { r->set_top_k(0); }},
      {"top_k", [](R* r) { r->set_top_k(65); }},
  };
  for (const auto& [field, spoil] : rows) {
    v1::InspectRequest request = Request();
    spoil(&request);
    const grpc::Status status = Inspect(request);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << field;
    EXPECT_EQ(Field(status), field) << status.error_message();
    EXPECT_EQ(Reason(status), "INVALID_FIELD") << field;
  }
}

TEST_F(InspectTest, TextTooLongNamesTheLimit) {
  rpc_options_.inspect_max_bytes = 10;
  Start();
  EXPECT_TRUE(Inspect(Request(std::string(10, 'x'))).ok());
  const grpc::Status status = Inspect(Request(std::string(11, 'x')));
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Reason(status), "TEXT_TOO_LONG");
  EXPECT_EQ(Field(status), "text");
  EXPECT_NE(status.error_message().find("at most 10 (--inspect-max-bytes)"),
            std::string::npos)
      << status.error_message();
}

TEST_F(InspectTest, TextMustFitTheContext) {
  rpc_options_.inspect_max_bytes = 1 << 20;
  Start();
  EXPECT_TRUE(Inspect(Request(std::string(4095, 'x'))).ok());
  const grpc::Status status = Inspect(Request(std::string(4096, 'x')));
  EXPECT_EQ(Reason(status), "TEXT_TOO_LONG");
  EXPECT_NE(status.error_message().find("at most 4095"), std::string::npos)
      << status.error_message();
}

TEST_F(InspectTest, ClassifierIsFailedPrecondition) {
  AddVersion("sorter", "1", TemplateKind::kLabel,
             DocumentConfigToJson(ToyDocumentConfig()));
  Start();
  const grpc::Status status = Inspect(Request("a", "sorter"));
  EXPECT_EQ(status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(status), "NOT_A_GENERATOR");
}

TEST_F(InspectTest, ModelBeyondTheMemoryIsFailedPrecondition) {
  inspect_memory_ = 1000;
  Start();
  const grpc::Status status = Inspect(Request());
  EXPECT_EQ(status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(status), "MODEL_TOO_LARGE");
  EXPECT_EQ(Detail<google::rpc::ResourceInfo>(status)->resource_name(), "toy@1");
  EXPECT_NE(status.error_message().find("1000 (--inspect-memory)"), std::string::npos);
}

TEST_F(InspectTest, AnswerTooLargeIsRefused) {
  rpc_options_.max_message_bytes = 2048;
  Start();
  const grpc::Status status = Inspect(Request(std::string(1000, 'x')));
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Field(status), "text");
  EXPECT_NE(status.error_message().find("--max-message-bytes"), std::string::npos);
}

TEST_F(InspectTest, DeadlineEndsTheCall) {
  Start();
  switches_.Close();
  v1::InspectResponse response;
  EXPECT_EQ(Inspect(Request(), &response, 100).error_code(),
            grpc::DEADLINE_EXCEEDED);
  switches_.Open();
  EXPECT_TRUE(rpc_->DrainComputations(Clock::System()->Now() +
                                      std::chrono::seconds(20)));
}

TEST_F(InspectTest, ClientThatGoesEndsTheCallWithinThePass) {
  Start();
  switches_.Close();
  grpc::ClientContext context;
  std::thread call([&] {
    v1::InspectResponse ignored;
    EXPECT_EQ(generation_->Inspect(&context, Request(), &ignored).error_code(),
              grpc::CANCELLED);
  });
  EXPECT_TRUE(Eventually([&] { return inspected_ == 1; }));
  context.TryCancel();
  call.join();
  EXPECT_FALSE(rpc_->DrainComputations(Clock::System()->Now()));
  switches_.Open();
  EXPECT_TRUE(rpc_->DrainComputations(Clock::System()->Now() +
                                      std::chrono::seconds(20)));
  EXPECT_TRUE(Inspect(Request()).ok());
}

TEST_F(InspectTest, FullQueueIsResourceExhausted) {
  rpc_options_.max_queued_calls = 1;
  Start();
  switches_.Close();
  std::vector<std::thread> calls;
  std::atomic<int> full{0};
  for (int i = 0; i < 6; ++i) {
    calls.emplace_back([&] {
      const grpc::Status status = Inspect(Request());
      if (status.ok()) return;
      EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
      EXPECT_EQ(Reason(status), "QUEUE_FULL");
      ++full;
    });
  }
  EXPECT_TRUE(Eventually([&] { return full.load() >= 3; }));
  switches_.Open();
  for (std::thread& call : calls) call.join();
}

TEST_F(InspectTest, DrainingServerRefusesNewCalls) {
  Start();
  state_.Set(ServerState::Phase::kDraining);
  const grpc::Status late = Inspect(Request());
  EXPECT_EQ(late.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Reason(late), "DRAINING");
}

}  // namespace
}  // namespace strata
