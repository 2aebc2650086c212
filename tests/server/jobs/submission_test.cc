#include "server/jobs/submission.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

class SubmissionTest : public JobsTest {
 protected:
  // The resolved spec of a job on pairs whose documents have that many items.
  TrainSpec OnPairs(int64_t items, const std::string& base = "block-1m",
                    int64_t sequence = 0) {
    auto upload = *datasets.StartUpload();
    const std::string answer(items - 3, 'x');  // kSos, kSep and kEos beside it
    EXPECT_TRUE(upload->Append(absl::StrCat(R"({"prompt": "", "completion": ")",
                                            answer, "\"}\n"))
                    .ok());
    TrainSpec spec = Spec();
    spec.base = base;
    spec.sequence = sequence;
    spec.dataset_sha256 = upload->Finish(nullptr)->sha256;
    const auto resolved = CheckSubmission(spec, 1, datasets, *registry);
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    return resolved.ok() ? *resolved : TrainSpec();
  }
};

TEST_F(SubmissionTest, RowsAreAsLongAsTheConversationsUnlessTheSpecSays) {
  EXPECT_EQ(OnPairs(100).sequence, 512);
  EXPECT_EQ(OnPairs(512).sequence, 512);
  const TrainSpec longer = OnPairs(513);
  EXPECT_EQ(longer.sequence, 1024);
  EXPECT_EQ(longer.micro_batch, 4);
  EXPECT_EQ(OnPairs(9000).sequence, 2048);
  EXPECT_EQ(OnPairs(9000, "block-1m", 512).sequence, 512);
  EXPECT_EQ(OnPairs(9000, "block-1m", 512).micro_batch, 8);
}

TEST_F(SubmissionTest, TextHasRowsOf512) {
  const auto resolved = CheckSubmission(Spec(), 1, datasets, *registry);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->sequence, 512);
  EXPECT_EQ(resolved->micro_batch, 8);
}

}  // namespace
}  // namespace strata
