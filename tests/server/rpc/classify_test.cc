// Classify and Embed over real gRPC: answers, the rows of the status table that
// are theirs, and how a call ends early.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class ClassifyTest : public RpcFixture {
 protected:
  // With the classifier `sorter` beside the models of every test.
  void Start() {
    AddVersion("sorter", "1", TemplateKind::kLabel,
               DocumentConfigToJson(ToyDocumentConfig()));
    RpcFixture::Start();
  }

  static v1::ClassifyRequest Request(const std::vector<std::string>& texts,
                                     const std::string& model = "sorter") {
    v1::ClassifyRequest request;
    request.set_model(model);
    for (const std::string& text : texts) request.add_texts(text);
    return request;
  }

  grpc::Status Classify(const v1::ClassifyRequest& request,
                        v1::ClassifyResponse* response,
                        int deadline_millis = 20000) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(deadline_millis));
    return generation_->Classify(&context, request, response);
  }
  grpc::Status Classify(const v1::ClassifyRequest& request) {
    v1::ClassifyResponse ignored;
    return Classify(request, &ignored);
  }

  grpc::Status Embed(const std::string& model, v1::EmbedLevel level,
                     v1::EmbedResponse* response) {
    v1::EmbedRequest request;
    request.set_model(model);
    request.add_texts("a. b.");
    request.set_level(level);
    grpc::ClientContext context;
    return generation_->Embed(&context, request, response);
  }
};

TEST_F(ClassifyTest, AnswersEachTextInOrder) {
  Start();
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(Request({"a. b!", "x"}), &response).ok());
  EXPECT_EQ(response.model(), "sorter@1");
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).label(), "no");
  EXPECT_EQ(response.results(1).label(), "yes");
  EXPECT_EQ(response.results(1).probabilities(1).label(), "yes");
  EXPECT_EQ(response.results(1).probabilities(1).probability(), 0.75);
  ASSERT_EQ(response.results(0).sentences_size(), 2);
  EXPECT_EQ(response.results(0).sentences(1).begin_byte(), 3);
  EXPECT_EQ(response.results(0).sentences(1).end_byte(), 5);
  EXPECT_EQ(response.results(0).sentences(1).weight(), 0.5);
  EXPECT_EQ(response.results(0).sentences(1).byte_weights_size(), 0);
  v1::ClassifyRequest request = Request({"a. b!"});
  request.set_byte_weights(true);
  ASSERT_TRUE(Classify(request, &response).ok());
  EXPECT_EQ(response.results(0).sentences(1).byte_weights_size(), 2);
}

TEST_F(ClassifyTest, EmbedsAtTheChosenLevel) {
  Start();
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed("sorter", v1::EMBED_LEVEL_UNSPECIFIED, &response).ok());
  EXPECT_EQ(response.dimensions(), 4);
  ASSERT_EQ(response.results(0).embeddings_size(), 1);
  EXPECT_EQ(response.results(0).embeddings(0).end_byte(), 5);
  EXPECT_EQ(response.results(0).embeddings(0).values(3), 4);
  ASSERT_TRUE(Embed("sorter", v1::EMBED_LEVEL_SENTENCE, &response).ok());
  ASSERT_EQ(response.results(0).embeddings_size(), 2);
  EXPECT_EQ(response.results(0).embeddings(1).values(0), 3);
  const grpc::Status bad =
      Embed("sorter", static_cast<v1::EmbedLevel>(9), &response);
  EXPECT_EQ(bad.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Field(bad), "level");
}

TEST_F(ClassifyTest, ModelThatGeneratesIsFailedPrecondition) {
  Start();
  v1::EmbedResponse ignored;
  for (const grpc::Status& status :
       {Classify(Request({"a"}, "toy")),
        Embed("toy", v1::EMBED_LEVEL_DOCUMENT, &ignored)}) {
    EXPECT_EQ(status.error_code(), grpc::FAILED_PRECONDITION);
    EXPECT_EQ(Reason(status), "NOT_A_CLASSIFIER");
    EXPECT_EQ(Detail<google::rpc::ResourceInfo>(status)->resource_name(),
              "toy@1");
  }
}

TEST_F(ClassifyTest, GeneratingWithAClassifierIsFailedPrecondition) {
  Start();
  v1::GenerateRequest generate = RpcFixture::Request();
  generate.set_model("sorter");
  v1::ScoreRequest score;
  score.set_model("sorter");
  score.set_text("a");
  v1::ScoreResponse ignored;
  grpc::ClientContext context;
  for (const grpc::Status& status :
       {Generate(generate).status,
        generation_->Score(&context, score, &ignored)}) {
    EXPECT_EQ(status.error_code(), grpc::FAILED_PRECONDITION);
    EXPECT_EQ(Reason(status), "NOT_A_GENERATOR");
  }
}

TEST_F(ClassifyTest, TextTooLongNamesItAndTheLimit) {
  Start();
  const std::string by_bytes(101, 'x');
  for (const std::string& text : {by_bytes, std::string("a. b. c. d. e.")}) {
    const grpc::Status status = Classify(Request({"fine", text}));
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
    EXPECT_EQ(Reason(status), "TEXT_TOO_LONG");
    EXPECT_EQ(Field(status), "texts[1]");
    const char* limit = text == by_bytes ? "at most 100" : "at most 4";
    EXPECT_NE(status.error_message().find(limit), std::string::npos)
        << status.error_message();
  }
  v1::ClassifyRequest request = Request({by_bytes, "a. b. c. d. e."});
  request.set_truncate(true);
  v1::ClassifyResponse response;
  ASSERT_TRUE(Classify(request, &response).ok());
  EXPECT_TRUE(response.results(0).truncated());
  EXPECT_EQ(response.results(0).sentences(0).end_byte(), 100);
  EXPECT_EQ(response.results(1).sentences_size(), 4);
}

TEST_F(ClassifyTest, BadRequestsNameTheField) {
  Start();
  EXPECT_EQ(Field(Classify(Request({}))), "texts");
  EXPECT_EQ(Field(Classify(Request(std::vector<std::string>(257, "a")))),
            "texts");
  EXPECT_EQ(Field(Classify(Request({"a", ""}))), "texts[1]");
  EXPECT_EQ(Field(Classify(Request({"a"}, ""))), "model");
  EXPECT_EQ(Classify(Request({"a"}, "nobody")).error_code(), grpc::NOT_FOUND);
}

TEST_F(ClassifyTest, DeadlineEndsTheCallAndItsComputation) {
  Start();
  switches_.Close();
  v1::ClassifyResponse response;
  const grpc::Status status =
      Classify(Request(std::vector<std::string>(200, "a")), &response, 100);
  EXPECT_EQ(status.error_code(), grpc::DEADLINE_EXCEEDED);
  EXPECT_FALSE(rpc_->DrainComputations(Clock::System()->Now()));
  // From here on each text takes 50 ms: 10 s if nobody told the computation.
  switches_.step_millis = 50;
  switches_.Open();
  EXPECT_TRUE(rpc_->DrainComputations(Clock::System()->Now() +
                                      std::chrono::seconds(5)));
}

TEST_F(ClassifyTest, FullQueueIsResourceExhausted) {
  rpc_options_.max_queued_calls = 1;
  Start();
  switches_.Close();
  std::vector<std::thread> calls;
  std::atomic<int> full{0}, fine{0};
  for (int i = 0; i < 6; ++i) {
    calls.emplace_back([&] {
      const grpc::Status status = Classify(Request({"a"}));
      if (status.ok()) {
        ++fine;
      } else {
        EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
        EXPECT_EQ(Reason(status), "QUEUE_FULL");
        ++full;
      }
    });
  }
  EXPECT_TRUE(Eventually([&] { return full.load() >= 3; }));
  switches_.Open();
  for (std::thread& call : calls) call.join();
  EXPECT_GE(fine.load(), 1);
}

TEST_F(ClassifyTest, DrainingServerRefusesNewCallsAndFinishesAdmittedOnes) {
  Start();
  switches_.Close();
  grpc::Status admitted;
  std::thread call([&] { admitted = Classify(Request({"a"})); });
  EXPECT_TRUE(Eventually([&] {
    return !rpc_->DrainComputations(Clock::System()->Now());
  }));
  state_.Set(ServerState::Phase::kDraining);
  const grpc::Status late = Classify(Request({"a"}));
  EXPECT_EQ(late.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Reason(late), "DRAINING");
  switches_.Open();
  EXPECT_TRUE(rpc_->DrainComputations(Clock::System()->Now() +
                                      std::chrono::seconds(20)));
  call.join();
  EXPECT_TRUE(admitted.ok()) << admitted.error_message();
}

TEST_F(ClassifyTest, ModelsDescribeTheClassifier) {
  Start();
  v1::GetModelRequest request;
  request.set_name("sorter");
  v1::Model model;
  grpc::ClientContext context;
  ASSERT_TRUE(models_->GetModel(&context, request, &model).ok());
  EXPECT_EQ(model.versions(0).architecture(), "document");
  EXPECT_EQ(model.versions(0).template_(), "label");
  EXPECT_EQ(model.versions(0).max_context(), 100);
  EXPECT_EQ(model.versions(0).parameters(), ParameterCount(ToyDocumentConfig()));
}

}  // namespace
}  // namespace strata
