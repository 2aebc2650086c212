// Fields of the API become the client's options in what a person reads.

#include "client/field_flags.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/command.h"
#include "strata/v1/generation.pb.h"
#include "strata/v1/training.pb.h"

namespace strata {
namespace {

std::string Help(const std::string& command) {
  testing::internal::CaptureStdout();
  RunCommandLine({command, "--help"});
  return testing::internal::GetCapturedStdout();
}

void ExpectFlags(const google::protobuf::Descriptor* type, const std::string& parent,
                 const std::string& help) {
  for (int i = 0; i < type->field_count(); ++i) {
    const std::string path = absl::StrCat(parent, type->field(i)->name());
    if (path == "spec.datastore") continue;  // its fields, below
    const std::string flag = FlagOfField(path);
    EXPECT_NE(flag, "") << path;
    EXPECT_TRUE(absl::StrContains(help, absl::StrCat("  ", flag, " "))) << path;
  }
}

TEST(FieldFlagsTest, EveryParameterHasAnOptionThatExists) {
  ExpectFlags(v1::SamplingParams::descriptor(), "sampling.", Help("generate"));
  ExpectFlags(v1::NeighbourParams::descriptor(), "neighbours.", Help("generate"));
  ExpectFlags(v1::NeighbourParams::descriptor(), "neighbours.", Help("score"));
  ExpectFlags(v1::TrainSpec::descriptor(), "spec.", Help("train"));
  ExpectFlags(v1::DatastoreSpec::descriptor(), "spec.datastore.", Help("datastore"));
  for (const char* path : {"model", "max_tokens", "stop", "time_limit_seconds", "request_id"}) {
    EXPECT_TRUE(absl::StrContains(Help("generate"), FlagOfField(path))) << path;
  }
  EXPECT_EQ(FlagOfField("stop[3]"), "--stop");
  EXPECT_EQ(FlagOfField("prompt"), "");
  EXPECT_EQ(FlagOfField("name"), "");
}

TEST(FieldFlagsTest, TheSubjectOfASentenceBecomesItsOption) {
  EXPECT_EQ(NameFlags("max_tokens is 0; must be in [1, 64]", {"max_tokens"}),
            "--max-tokens is 0; must be in [1, 64]");
  EXPECT_EQ(NameFlags("temperature is -3; must be in [0, 100]", {"sampling.temperature"}),
            "--temperature is -3; must be in [0, 100]");
  EXPECT_EQ(NameFlags("stop[1] is 0 bytes; must be in [1, 256]", {"stop[1]"}),
            "--stop[1] is 0 bytes; must be in [1, 256]");
  EXPECT_EQ(NameFlags("model is missing", {"model"}), "--model is missing");
}

TEST(FieldFlagsTest, PathsOfASpecBecomeOptionsWhereverTheyStand) {
  EXPECT_EQ(NameFlags("spec.micro_batch: is 3; must divide spec.batch = 8",
                      {"spec.micro_batch"}),
            "--micro-batch is 3; must divide --batch = 8");
  EXPECT_EQ(NameFlags("spec.learning_rate: is 0; must be in (0, 10]", {}),
            "--lr is 0; must be in (0, 10]");
  EXPECT_EQ(NameFlags("spec.model: \"block\" is the name of a preset", {"spec.model"}),
            "--name: \"block\" is the name of a preset");
}

TEST(FieldFlagsTest, OtherWordsStay) {
  EXPECT_EQ(NameFlags("model toy has no version", {}), "model toy has no version");
  EXPECT_EQ(NameFlags("the model must stop", {"model"}), "the model must stop");
  EXPECT_EQ(NameFlags("prompt is 9 bytes; the context of a.b@1 is 8", {"prompt"}),
            "prompt is 9 bytes; the context of a.b@1 is 8");
  EXPECT_EQ(NameFlags("line 3: \"max_tokens\" is unknown", {"data"}),
            "line 3: \"max_tokens\" is unknown");
  EXPECT_EQ(NameFlags("", {"model"}), "");
}

}  // namespace
}  // namespace strata
