// strata datastore, and the options that ask one: what goes over the wire.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "client/command.h"
#include "tests/client/fake_service.h"

namespace strata {
namespace {

class DatastoreCommandTest : public testing::Test {
 protected:
  int Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--server", server_.address});
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = RunCommandLine(words);
    fflush(stdout);
    testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return code;
  }
  std::string Data() {
    const std::string path = testing::TempDir() + "/strata_datastore_test_data";
    std::ofstream(path, std::ios::binary) << "text";
    return path;
  }

  FakeServer server_;
  std::string error_;
};

TEST_F(DatastoreCommandTest, BuildsTheNextVersionOfItsBaseUnlessItIsNamed) {
  EXPECT_EQ(Run({"datastore", "--base", "mine@3", "--data", Data(), "--key", "k"}), 0) << error_;
  const v1::TrainRequest plain = server_.training.requests.at(0);
  EXPECT_EQ(plain.idempotency_key(), "k");
  EXPECT_EQ(plain.spec().base(), "mine@3");
  EXPECT_EQ(plain.spec().model(), "mine");
  EXPECT_EQ(plain.spec().dataset(), "datasets/abc");
  EXPECT_EQ(plain.spec().steps(), 0);
  ASSERT_TRUE(plain.spec().has_datastore());
  EXPECT_FALSE(plain.spec().datastore().has_entries());
  EXPECT_FALSE(plain.spec().datastore().has_neighbours());
  EXPECT_FALSE(plain.spec().has_sequence());
  EXPECT_EQ(Run({"datastore", "--base", "mine", "--name", "other", "--data", Data(), "--entries",
                 "5000", "--neighbours", "9", "--index", "exact", "--sequence", "64",
                 "--eval-fraction", "0.1"}),
            0)
      << error_;
  const v1::TrainSpec& full = server_.training.requests.at(1).spec();
  EXPECT_EQ(full.model(), "other");
  EXPECT_EQ(full.datastore().entries(), 5000);
  EXPECT_EQ(full.datastore().neighbours(), 9);
  EXPECT_EQ(full.datastore().index(), "exact");
  EXPECT_EQ(full.sequence(), 64);
  EXPECT_EQ(full.eval_fraction(), 0.1);
}

TEST_F(DatastoreCommandTest, RequestsSayOfNeighboursWhatWasGiven) {
  Run({"generate", "--model", "m", "--prompt", "p"});
  Run({"generate", "--model", "m", "--prompt", "p", "--neighbours", "7"});
  Run({"generate", "--model", "m", "--prompt", "p", "--neighbour-weight", "0",
       "--neighbour-temperature", "2.5"});
  const auto& requests = server_.generation.requests;
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_FALSE(requests[0].has_neighbours());
  EXPECT_EQ(requests[1].neighbours().k(), 7);
  EXPECT_FALSE(requests[1].neighbours().has_weight());
  EXPECT_TRUE(requests[2].neighbours().has_weight());
  EXPECT_EQ(requests[2].neighbours().weight(), 0);
  EXPECT_EQ(requests[2].neighbours().temperature(), 2.5);
}

TEST_F(DatastoreCommandTest, ABaseIsNeeded) {
  EXPECT_EQ(Run({"datastore", "--data", Data()}), 2);
  EXPECT_THAT(error_, testing::HasSubstr("--base"));
}

}  // namespace
}  // namespace strata
