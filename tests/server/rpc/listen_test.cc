// An address that is taken.

#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class ListenTest : public RpcFixture {};

TEST_F(ListenTest, ATakenPortIsAStatusAndNothingOnStandardError) {
  Start();
  RpcOptions options;
  options.address = rpc_->address();
  testing::internal::CaptureStderr();
  const auto second = RpcServer::Start(options, Backends());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.status().message(),
            absl::StrCat("--listen is ", rpc_->address(),
                         ", which cannot be bound: Address already in use: another "
                         "process has the port; port 0 takes a free one"));
  EXPECT_TRUE(Generate(Request()).status.ok());  // the first one goes on
}

}  // namespace
}  // namespace strata
