// Health and reflection.

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthTest : public RpcFixture {
 protected:
  // UNKNOWN when the service is not known.
  HealthCheckResponse::ServingStatus Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const grpc::Status status = Health::NewStub(channel_)->Check(&context, request,
                                                                 &response);
    if (status.error_code() == grpc::NOT_FOUND) return HealthCheckResponse::UNKNOWN;
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }
};

TEST_F(HealthTest, ReadinessFollowsThePhaseAndLivenessDoesNot) {
  Start();
  using Phase = ServerState::Phase;
  for (const auto& [phase, ready] :
       {std::pair{Phase::kStarting, false}, std::pair{Phase::kServing, true},
        std::pair{Phase::kLeaving, false}, std::pair{Phase::kDraining, false}}) {
    state_.Set(phase);
    const auto expected =
        ready ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
    EXPECT_EQ(Check(""), expected);
    EXPECT_EQ(Check("readiness"), expected);
    EXPECT_EQ(Check("model/toy"), expected);
    EXPECT_EQ(Check("liveness"), HealthCheckResponse::SERVING);
  }
  EXPECT_EQ(Check("model/nobody"), HealthCheckResponse::UNKNOWN);
  EXPECT_EQ(Check("nothing"), HealthCheckResponse::UNKNOWN);
}

TEST_F(HealthTest, WatchSendsEachChange) {
  Start();
  grpc::ClientContext context;
  HealthCheckRequest request;
  const auto stub = Health::NewStub(channel_);
  auto reader = stub->Watch(&context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  state_.Set(ServerState::Phase::kLeaving);
  rpc_->StateChanged();
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::CANCELLED);
}

TEST_F(HealthTest, WatchOfAnUnknownServiceStaysOpen) {
  Start();
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service("model/late");
  const auto stub = Health::NewStub(channel_);
  auto reader = stub->Watch(&context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  rpc_->EndStreams();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::UNAVAILABLE);
}

// The reflection protocol by hand: field 7 of the request is list_services, and
// the answer holds the names as text.
TEST_F(HealthTest, ReflectionListsEveryService) {
  Start();
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  grpc::Slice bytes(std::string("\x3a\x01*", 3));
  call->Write(grpc::ByteBuffer(&bytes, 1), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer reply;
  call->Read(&reply, nullptr);
  ASSERT_TRUE(next());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(reply.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  for (const char* service :
       {"strata.v1.Generation", "strata.v1.Training", "strata.v1.Models",
        "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}) {
    EXPECT_NE(text.find(service), std::string::npos) << service;
  }
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
}

}  // namespace
}  // namespace strata
