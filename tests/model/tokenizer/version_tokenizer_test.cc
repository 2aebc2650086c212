// A version folder's tokeniser and its config belong together.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/presets.h"
#include "model/version_dir.h"
#include "tests/model/faces/scratch_dir.h"
#include "tests/model/tokenizer/spm_files.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class VersionTokenizerTest : public ::testing::Test {
 protected:
  void Put(const std::string& file) {
    ASSERT_TRUE(
        WriteFileAtomically(dir_.path() + "/" + kTokenizerFile, file).ok());
  }
  absl::StatusOr<std::shared_ptr<const Tokenizer>> Open(const ModelConfig& config) {
    return TokenizerOfVersion(dir_.path(), config);
  }

  ScratchDir dir_;
  ModelConfig config_ = PresetConfig("spacebyte").value();
};

TEST_F(VersionTokenizerTest, WithoutAFileTokensAreBytes) {
  EXPECT_EQ((*Open(config_))->kind(), "bytes");
  config_.vocab = 300;
  EXPECT_THAT(Open(config_).status().message(),
              HasSubstr("config.json has vocab 300, but there is no"));
}

TEST_F(VersionTokenizerTest, AFileThatFitsIsOpened) {
  Put(testing::TrainedTokenizer("unigram"));
  const auto tokenizer = OpenTokenizer(testing::TrainedTokenizer("unigram"));
  AdoptTokenizer(**tokenizer, &config_);
  EXPECT_TRUE(ValidateModelConfig(config_).ok()) << ValidateModelConfig(config_);
  const auto opened = Open(config_);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ((*opened)->vocab(), config_.vocab);
  ModelConfig other = config_;
  other.levels[1].piece_classes = other.levels[0].piece_classes;
  EXPECT_THAT(ValidateModelConfig(other).message(),
              HasSubstr("levels[1].piece_classes: must be left out"));
  // The config says all that its tensors need, also in JSON.
  const auto parsed = ParseModelConfig(ModelConfigToJson(config_));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, config_);
}

TEST_F(VersionTokenizerTest, AnotherFileIsRefused) {
  Put(testing::TrainedTokenizer("bpe"));
  EXPECT_TRUE(absl::IsDataLoss(Open(config_).status()));  // a model on bytes
  AdoptTokenizer(**OpenTokenizer(testing::TrainedTokenizer("unigram")), &config_);
  const absl::Status status = Open(config_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("config.json says"));
}

TEST_F(VersionTokenizerTest, ADamagedFileIsRefused) {
  Put("damaged");
  EXPECT_THAT(Open(config_).status().message(), HasSubstr("no SentencePiece model"));
}

}  // namespace
}  // namespace strata
