// What a client gets from an absl::Status.

#include "server/rpc/status.h"

#include "absl/strings/str_cat.h"
#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

TEST(StatusTest, OkHasNoDetails) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).error_details().empty());
}

TEST(StatusTest, EveryErrorCarriesOneErrorInfo) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(status.error_code(), code);
    EXPECT_EQ(status.error_message(), "why");
    const std::string reason = Reason(status);
    EXPECT_FALSE(reason.empty());
    EXPECT_LE(reason.size(), 63u);
    EXPECT_EQ(reason.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"),
              std::string::npos);
  }
}

TEST(StatusTest, FieldErrorsNameTheField) {
  EXPECT_EQ(Field(ToGrpcStatus(FieldError("sampling.top_k", "top_k is -1"))),
            "sampling.top_k");
  // The rows below name it in the sentence alone.
  EXPECT_EQ(Field(ToGrpcStatus(absl::InvalidArgumentError("spec.batch: is 0"))),
            "spec.batch");
  EXPECT_EQ(Field(ToGrpcStatus(absl::InvalidArgumentError("top_p is 2; must be")))
            , "top_p");
  EXPECT_EQ(Field(ToGrpcStatus(absl::InvalidArgumentError("No field here"))), "");
}

TEST(StatusTest, LongMessagesAndManyViolationsFitTheMetadata) {
  absl::Status status = absl::InvalidArgumentError(std::string(5000, 'x'));
  for (int i = 0; i < 100; ++i) {
    AddFieldViolation("data", absl::StrCat("line ", i, std::string(300, 'y')), "BAD",
                      &status);
  }
  const grpc::Status out = ToGrpcStatus(status);
  EXPECT_LE(out.error_message().size(), 1024u);
  EXPECT_LE(out.error_details().size(), 3200u);
  EXPECT_EQ(Detail<google::rpc::BadRequest>(out)->field_violations(0).description()
                .substr(0, 6), "line 0");
}

TEST(StatusTest, MessagesAreUtf8AndNeverCutInsideACharacter) {
  const grpc::Status broken = ToGrpcStatus(absl::InternalError("a\xff\xc3|b"));
  EXPECT_EQ(broken.error_message(), "a\?\?|b");
  std::string umlauts = "x";
  for (int i = 0; i < 600; ++i) umlauts += "\xc3\xa4";
  const std::string cut = ToGrpcStatus(absl::InternalError(umlauts)).error_message();
  EXPECT_EQ(cut.size(), 1023u);
}

TEST(StatusTest, OnlyWhatMayBeRepeatedSaysWhen) {
  const auto full = WithReason(absl::ResourceExhaustedError("full"), "QUEUE_FULL");
  EXPECT_EQ(Detail<google::rpc::RetryInfo>(ToGrpcStatus(full))->retry_delay().seconds(), 1);
  EXPECT_TRUE(Detail<google::rpc::QuotaFailure>(ToGrpcStatus(full)).has_value());
  const auto fit = WithReason(absl::InvalidArgumentError("prompt is too long"),
                              "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_FALSE(Detail<google::rpc::RetryInfo>(ToGrpcStatus(fit)).has_value());
}

}  // namespace
}  // namespace strata
