// The tokeniser of a job is trained once, on the training part, and every document is
// encoded as a prompt would be.

#include "model/train/job_tokenizer.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/chat_template.h"
#include "model/version_dir.h"
#include "tests/model/tokenizer/spm_files.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_tokenizer.h"

namespace strata {
namespace {

using testing::ToyTokenizer;

absl::Status Fine() { return absl::OkStatus(); }

TEST(EncodeSplitTest, DocumentsAreEncodedAsPromptsAre) {
  const ToyTokenizer tokenizer({"ab", "abc", "\n", " a", "c\n"});
  DataSplit data;
  data.train.push_back(TextDocument("abcab\nc\xFF", true));
  data.held_out.push_back(CompletionDocument("abab", "cabc"));
  data.held_out.push_back(
      ChatDocument({{"user", "ab"}, {"user", "c"}, {"assistant", " a"}}));
  ASSERT_EQ(EncodeSplit(tokenizer, Fine, &data), absl::OkStatus());
  std::vector<Item> text = EncodeItems(tokenizer, RenderText("abcab\nc\xFF"));
  text.push_back(kEos);
  EXPECT_EQ(data.train[0].Items(), text);
  EXPECT_EQ(data.train[0].TrainedItems(), static_cast<int64_t>(text.size()) - 1);
  const Document& pair = data.held_out[0];
  const std::vector<Item> prompt = EncodeItems(tokenizer, RenderCompletion("abab"));
  const auto end = static_cast<int64_t>(prompt.size());
  for (int64_t i = 0; i < end; ++i) {
    EXPECT_EQ(pair.item(i), prompt[i]);
    EXPECT_FALSE(pair.trained(i));
  }
  EXPECT_TRUE(pair.trained(end));
  const std::vector<Item> turn =
      EncodeItems(tokenizer, RenderChat({{"user", "ab"}, {"user", "c"}}));
  const std::vector<Item> chat = data.held_out[1].Items();
  ASSERT_GT(chat.size(), turn.size());
  EXPECT_EQ(std::vector<Item>(chat.begin(), chat.begin() + turn.size()), turn);
}

TEST(EncodeSplitTest, ItHearsThatNobodyWaits) {
  DataSplit data;
  data.train.push_back(TextDocument("ab", true));
  const auto gone = [] { return absl::CancelledError("gone"); };
  EXPECT_TRUE(absl::IsCancelled(EncodeSplit(ToyTokenizer({"ab"}), gone, &data)));
}

class JobTokenizerTest : public ::testing::Test {
 protected:
  JobTokenizerTest() {
    run_.job_dir = dir_.path();
    run_.spec.tokenizer = "bpe";
    run_.spec.pieces = 300;
    documents_.push_back(TextDocument(testing::MixedText(20000), true));
  }
  absl::StatusOr<std::shared_ptr<const Tokenizer>> Make() {
    return JobTokenizer(run_, documents_, Fine);
  }

  TempDir dir_;
  TrainRun run_;
  std::vector<Document> documents_;
};

TEST_F(JobTokenizerTest, WithoutOneTokensAreBytes) {
  run_.spec.tokenizer = "";
  EXPECT_EQ((*Make())->kind(), "bytes");
}

TEST_F(JobTokenizerTest, IsTrainedOnceAndKept) {
  const auto first = Make();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ((*first)->kind(), "bpe");
  EXPECT_EQ(*ReadFile(dir_.path() + "/tokenizer.model"), (*first)->file());
  // The next attempt has it, whatever it would train.
  documents_ = {TextDocument("other", true)};
  const auto second = Make();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->file(), (*first)->file());
}

TEST_F(JobTokenizerTest, OfMuchTextItSeesPartsOfTheWhole) {
  const std::string text = testing::MixedText(10000);
  documents_.clear();
  while (static_cast<int64_t>(documents_.size() * text.size()) <=
         2 * kTokenizerTrainingBytes) {
    documents_.push_back(TextDocument(text, true));
  }
  int64_t polls = 0;
  const auto made = JobTokenizer(run_, documents_, [&] {
    ++polls;
    return absl::OkStatus();
  });
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_GT(polls, 0);
}

TEST_F(JobTokenizerTest, AnImportedFileMustBeTheOneThatWasUploaded) {
  const std::string file = testing::TrainedTokenizer("unigram");
  run_.spec.tokenizer = "";
  run_.spec.tokenizer_sha256 = Sha256Hex(file);
  run_.tokenizer_path = dir_.path() + "/imported";
  EXPECT_FALSE(Make().ok());
  ASSERT_TRUE(WriteFileAtomically(run_.tokenizer_path, file).ok());
  const auto made = Make();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ((*made)->file(), file);
  ASSERT_TRUE(WriteFileAtomically(run_.tokenizer_path, file + "x").ok());
  EXPECT_TRUE(absl::IsDataLoss(Make().status())) << Make().status();
}

TEST_F(JobTokenizerTest, SaysWhyItCannotBeTrained) {
  documents_ = {TextDocument("", true)};
  const absl::Status status = Make().status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(status.message(), ::testing::HasSubstr("300 pieces cannot be trained"));
}

}  // namespace
}  // namespace strata
