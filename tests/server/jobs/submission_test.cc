#include "server/jobs/submission.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/status_macros.h"
#include "model/document_config.h"
#include "model/model_config.h"
#include "model/presets.h"
#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

absl::StatusOr<std::string> ConfigOf(const std::string& preset) {
  STRATA_ASSIGN_OR_RETURN(const ModelConfig config, PresetConfig(preset));
  return ModelConfigToJson(config);
}

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

TEST_F(SubmissionTest, AConfigOfTheCallersOwnIsCheckedLikeAPreset) {
  TrainSpec spec = Spec();
  spec.config = *ConfigOf("block-1m");
  EXPECT_EQ(CheckSubmission(spec, 1, datasets, *registry).status().message(),
            "spec.config: is given, and so is spec.base; must be one of the two");
  spec.base.clear();
  const auto resolved = CheckSubmission(spec, 1, datasets, *registry);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->config, spec.config);
  EXPECT_EQ(resolved->base, "");
  EXPECT_GE(resolved->dropout, 0);
  const std::pair<std::string, std::string> wrong[] = {
      {"{", "spec.config: "},
      {absl::StrReplaceAll(spec.config, {{"\"heads\": 4", "\"heads\": 3"}}),
       "levels[0].dim"},
      {absl::StrReplaceAll(spec.config, {{"\"reach\": -1", "\"reach\": 1, \"x\": 1"}}),
       "x: unknown member"},
      {absl::StrReplaceAll(spec.config, {{"\"window\": 32", "\"window\": 2"}}),
       "blind"},
      {R"({"architecture": "document"})", "sentence: is missing"},
      {DocumentConfigToJson(*DocumentPreset("document")),
       "spec.dataset: is text data, but the base classifies"},
  };
  for (const auto& [config, message] : wrong) {
    spec.config = config;
    const absl::Status status =
        CheckSubmission(spec, 1, datasets, *registry).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(message));
  }
}

TEST_F(SubmissionTest, NgramHeadsGetTheirWeightWhereTheModelHasThem) {
  TrainSpec spec = Spec();
  EXPECT_EQ(CheckSubmission(spec, 1, datasets, *registry)->ngram_weight, 0);
  spec.ngram_weight = 0.3;
  EXPECT_THAT(
      std::string(CheckSubmission(spec, 1, datasets, *registry).status().message()),
      ::testing::HasSubstr("spec.ngram_weight: is 0.3; must be 0 for"));
  spec.base.clear();
  spec.config = absl::StrReplaceAll(
      *ConfigOf("block-1m"), {{"\"reach\"", "\"ngram_heads\": 2, \"reach\""}});
  EXPECT_EQ(CheckSubmission(spec, 1, datasets, *registry)->ngram_weight, 0.3);
  spec.ngram_weight = -1;
  EXPECT_EQ(CheckSubmission(spec, 1, datasets, *registry)->ngram_weight,
            kNgramWeight);
}

TEST_F(SubmissionTest, OnlyNewWeightsGetATokeniser) {
  TrainSpec spec = Spec();
  spec.base = "block-1m";
  spec.tokenizer = "bpe";
  spec.pieces = 300;
  const auto resolved = CheckSubmission(spec, 1, datasets, *registry);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->tokenizer, "bpe");
  EXPECT_EQ(resolved->pieces, 300);
  spec.base = "document";
  EXPECT_FALSE(CheckSubmission(spec, 1, datasets, *registry).ok());
  spec.base = "block-1m";
  spec.tokenizer = "";
  spec.pieces = 0;
  spec.tokenizer_sha256 = std::string(64, 'a');
  const absl::Status absent = CheckSubmission(spec, 1, datasets, *registry).status();
  EXPECT_TRUE(absl::IsNotFound(absent)) << absent;
  EXPECT_THAT(absent.message(), ::testing::HasSubstr("spec.tokenizer: there is no"));
}

TEST_F(SubmissionTest, ADatastoreIsOfAServedModelThatSpeaksAsItsDataDoes) {
  TrainSpec spec = Spec();
  spec.steps = 0;
  spec.datastore = {1000, 64, "auto"};
  const auto check = [&](int64_t memory = int64_t{1} << 40) {
    return CheckSubmission(spec, 1, datasets, *registry, memory);
  };
  const auto refusal = [&](int64_t memory = int64_t{1} << 40) {
    return std::string(check(memory).status().message());
  };
  spec.base = "block-1m";
  EXPECT_THAT(refusal(), ::testing::HasSubstr("spec.base: is block-1m; must be NAME"));
  const std::string config = *ConfigOf("block-1m");
  const auto add = [&](const std::string& name, TemplateKind kind) {
    auto writer = DirWriter::Create(dir / ("models/" + name + "/1"), "test");
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->WriteFile("config.json", config).ok());
    ASSERT_TRUE(writer->WriteFile("template.json", TemplateToJson(kind)).ok());
    ASSERT_TRUE(writer->Commit({}).ok());
  };
  add("plain", TemplateKind::kText);
  add("talks", TemplateKind::kChat);
  ASSERT_TRUE(registry->LoadAll().ok());
  spec.base = "plain";
  const auto resolved = check();
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->base, "plain@1");
  EXPECT_EQ(resolved->steps, 0);
  EXPECT_EQ(resolved->sequence, 512);
  EXPECT_EQ(resolved->datastore, spec.datastore);
  EXPECT_THAT(refusal(1000), ::testing::HasSubstr("--datastore-memory allows 1000"));
  spec.base = "talks";
  EXPECT_THAT(refusal(), ::testing::HasSubstr("must be of the same kind"));
  spec.base = "plain";
  spec.eval_fraction = 0;
  EXPECT_THAT(refusal(), ::testing::HasSubstr("spec.eval_fraction"));
}

TEST_F(SubmissionTest, TheVocabularyOfAConfigIsItsTokenisers) {
  TrainSpec spec = Spec();
  spec.base = "";
  spec.config = absl::StrReplaceAll(*ConfigOf("spacebyte"), {{"\"vocab\": 260", "\"vocab\": 900"}});
  EXPECT_THAT(CheckSubmission(spec, 1, datasets, *registry).status().message(),
              ::testing::HasSubstr("spec.config: vocab: is 900; must be 260 where "
                                   "spec.tokenizer is absent"));
  spec.tokenizer = "unigram";
  spec.pieces = 300;
  EXPECT_TRUE(CheckSubmission(spec, 1, datasets, *registry).ok());
}

}  // namespace
}  // namespace strata
