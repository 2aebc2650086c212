// Datastores as a client meets them: what a version has, what a request may ask, what a
// job may be told.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class NeighboursRpcTest : public RpcFixture {
 protected:
  static v1::GenerateRequest Asking(double weight) {
    v1::GenerateRequest request = Request();
    request.set_model("remembers");
    request.mutable_neighbours()->set_weight(weight);
    return request;
  }
  void StartWithDatastore() {
    AddVersion("remembers", "1");
    Start();
  }
};

TEST_F(NeighboursRpcTest, AVersionSaysWhatItsDatastoreIs) {
  StartWithDatastore();
  grpc::ClientContext context;
  v1::GetModelRequest request;
  request.set_name("remembers");
  v1::Model model;
  ASSERT_TRUE(models_->GetModel(&context, request, &model).ok());
  const v1::ModelVersion& version = model.versions(0);
  ASSERT_TRUE(version.has_datastore());
  EXPECT_EQ(version.datastore().entries(), 100);
  EXPECT_EQ(version.datastore().bytes(), 5000);
  EXPECT_EQ(version.datastore().index(), "exact");
  EXPECT_EQ(version.datastore().max_neighbours(), 8);
  EXPECT_EQ(version.datastore().weight(), 0.9);
  EXPECT_EQ(version.datastore().neighbours(), 4);
  EXPECT_EQ(version.weight_bytes(), ToyModel(&switches_).weight_bytes() + 5000);
}

TEST_F(NeighboursRpcTest, ARequestGetsTheVersionsValuesWhereItSaysNothing) {
  StartWithDatastore();
  v1::GenerateRequest request = Asking(0.99);
  const Result result = Generate(request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const v1::NeighbourParams& used = result.messages[0].accepted().neighbours();
  EXPECT_EQ(used.weight(), 0.99);
  EXPECT_EQ(used.k(), 4);
  EXPECT_EQ(used.temperature(), 1);
  // The toy's logits are sure of the alphabet; its neighbours, of one letter.
  const std::string letter(1, static_cast<char>(ToyNeighbours::Says(
                                  std::vector<float>(ToyModel(&switches_).config().levels[0].dim))));
  EXPECT_EQ(result.data(), letter + letter + letter + letter + letter);
  request.clear_neighbours();
  EXPECT_EQ(Generate(request).messages[0].accepted().neighbours().weight(), 0.9);
}

TEST_F(NeighboursRpcTest, WeightZeroIsTheModelAlone) {
  StartWithDatastore();
  EXPECT_EQ(Generate(Asking(0)).data(), Generate(Request()).data());
  EXPECT_FALSE(Generate(Request()).messages[0].accepted().has_neighbours());
}

TEST_F(NeighboursRpcTest, AVersionWithoutADatastoreCannotBeAsked) {
  Start();
  v1::GenerateRequest request = Request();
  request.mutable_neighbours();
  const Result result = Generate(request);
  EXPECT_EQ(result.status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(result.status), "NO_DATASTORE");
  grpc::ClientContext context;
  v1::ScoreRequest score;
  score.set_model("toy");
  score.set_text("abc");
  score.mutable_neighbours()->set_k(1);
  v1::ScoreResponse response;
  EXPECT_EQ(Reason(generation_->Score(&context, score, &response)), "NO_DATASTORE");
}

TEST_F(NeighboursRpcTest, BadOnesNameTheField) {
  StartWithDatastore();
  const auto field = [&](const std::function<void(v1::NeighbourParams*)>& spoil) {
    v1::GenerateRequest request = Asking(0.5);
    spoil(request.mutable_neighbours());
    return Field(Generate(request).status);
  };
  using P = v1::NeighbourParams;
  EXPECT_EQ(field([](P* p) { p->set_weight(1); }), "neighbours.weight");
  EXPECT_EQ(field([](P* p) { p->set_weight(std::nan("")); }), "neighbours.weight");
  EXPECT_EQ(field([](P* p) { p->set_k(9); }), "neighbours.k");
  EXPECT_EQ(field([](P* p) { p->set_k(0); }), "neighbours.k");
  EXPECT_EQ(field([](P* p) { p->set_temperature(0); }), "neighbours.temperature");
}

}  // namespace
}  // namespace strata
