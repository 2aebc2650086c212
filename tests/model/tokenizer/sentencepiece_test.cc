// Whatever the file and the bytes, what is encoded decodes to itself.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/chat_template.h"
#include "model/sentencepiece_file.h"
#include "model/unit_rule.h"
#include "tests/model/tokenizer/spm_files.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using testing::ForeignTokenizer;
using testing::MixedText;
using testing::TrainedTokenizer;

std::string RandomBytes(uint64_t seed, size_t n) {
  std::string bytes(n, '\0');
  for (size_t i = 0; i < n; ++i) {
    bytes[i] = static_cast<char>(RandomBits(seed, 0, i));
  }
  return bytes;
}

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  const int lead = more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0;
  *out += static_cast<char>(lead | c >> (6 * more));
  for (int i = more - 1; i >= 0; --i) {
    *out += static_cast<char>(0x80 | (c >> (6 * i) & 0x3F));
  }
}

// Characters of all planes, surrogates too, which are no UTF-8.
std::string AllPlanes() {
  std::string text;
  for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) AppendUtf8(c, &text);
  return text;
}

std::vector<std::string> Texts() {
  std::vector<std::string> texts = {
      "",
      " ",
      std::string(5000, ' '),
      std::string(9000, 'a'),
      "\n\n\n\n",
      "\r\n \r\n",
      "\xE2\x96\x81\xE2\x96\x81 \xE2\x96\x81the",
      "\xE2\x96",
      "the\xFF\xFEtree \xC3",
      std::string("a\0b\0\0 the", 10),
      "\xEF\xBC\xA1\xEF\xBC\xA2 \xEF\xAC\x81",  // what NFKC changes
      MixedText(20000),
      AllPlanes()};
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    texts.push_back(RandomBytes(seed, 1 + seed * 37));
  }
  return texts;
}

struct Case {
  const char* name;
  const char* kind;
  bool foreign;
};

class SentencePieceTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    file_ = GetParam().foreign ? ForeignTokenizer(GetParam().kind)
                               : TrainedTokenizer(GetParam().kind);
    auto opened = OpenTokenizer(file_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    tokenizer_ = *std::move(opened);
  }

  std::string file_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_P(SentencePieceTest, WhatIsEncodedDecodesToItself) {
  for (const std::string& text : Texts()) {
    const std::vector<Item> items = tokenizer_->Encode(text);
    for (const Item item : items) {
      ASSERT_GE(item, 0);
      ASSERT_LT(item, tokenizer_->vocab());
      ASSERT_TRUE(IsText(item)) << item;
    }
    ASSERT_EQ(tokenizer_->Decode(items), text) << text.substr(0, 40);
  }
}

TEST_P(SentencePieceTest, TextLikeItsOwnGetsShort) {
  const std::string text = MixedText(20000);
  EXPECT_LT(tokenizer_->Encode(text).size(), text.size() / 2);
}

TEST_P(SentencePieceTest, KnowsWhatItIs) {
  EXPECT_EQ(tokenizer_->kind(), GetParam().kind);
  EXPECT_EQ(tokenizer_->file(), file_);
  EXPECT_GT(tokenizer_->vocab(), kVocab);
  for (Item item = 0; item < 256; ++item) {
    EXPECT_EQ(tokenizer_->BytesOf(item), std::string(1, static_cast<char>(item)));
  }
  for (Item item = 256; item < kVocab; ++item) EXPECT_EQ(tokenizer_->BytesOf(item), "");
}

TEST_P(SentencePieceTest, PiecesLieByClass) {
  ModelConfig config;
  config.levels.resize(1);
  config.levels[0].block_rule = BlockRule::kSpacelike;
  AdoptTokenizer(*tokenizer_, &config);
  EXPECT_TRUE(CheckPieceClasses(config.levels[0], config.vocab).ok());
  for (Item item = kVocab; item < tokenizer_->vocab(); ++item) {
    ASSERT_EQ(ItemClass(config.levels[0], item), PieceClass(tokenizer_->BytesOf(item)));
  }
}

TEST_P(SentencePieceTest, PromptsAreEncodedRunByRun) {
  const std::vector<Item> items = EncodeItems(
      *tokenizer_, RenderChat({{"user", "the tree"}, {"assistant", "walks"},
                               {"user", "and"}}));
  std::vector<Item> want = {kSos};
  for (const auto& [text, marker] :
       {std::pair("the tree", kSep), std::pair("walks", kEos), std::pair("and", kSep)}) {
    const std::vector<Item> run = tokenizer_->Encode(text);
    want.insert(want.end(), run.begin(), run.end());
    want.push_back(marker);
  }
  EXPECT_EQ(items, want);
}

INSTANTIATE_TEST_SUITE_P(Files, SentencePieceTest,
                         ::testing::Values(Case{"bpe", "bpe", false},
                                           Case{"unigram", "unigram", false},
                                           Case{"foreign_bpe", "bpe", true},
                                           Case{"foreign_unigram", "unigram", true}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(ByteTokenizerTest, ItemsAreTheBytes) {
  const auto bytes = ByteTokenizer();
  for (const std::string& text : Texts()) {
    const std::vector<Item> items = bytes->Encode(text);
    ASSERT_EQ(items.size(), text.size());
    ASSERT_EQ(bytes->Decode(items), text);
  }
  EXPECT_EQ(bytes->vocab(), kVocab);
  EXPECT_EQ(EncodeItems(*bytes, RenderText("\xFFx")), RenderText("\xFFx"));
}

TEST(TrainTokenizerTest, TheSameTextGivesTheSameFile) {
  for (const char* kind : {"bpe", "unigram"}) {
    EXPECT_EQ(TrainedTokenizer(kind), TrainedTokenizer(kind)) << kind;
  }
}

TEST(TrainTokenizerTest, HasAtMostSoManyPieces) {
  const auto tokenizer = OpenTokenizer(TrainedTokenizer("unigram", 256));
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_LE((*tokenizer)->vocab(), kVocab + 256);
  // Of little text there are fewer.
  const auto few = OpenTokenizer(TrainedTokenizer("bpe", 5000, 500));
  ASSERT_TRUE(few.ok()) << few.status();
  EXPECT_LT((*few)->vocab(), kVocab + 1000);
}

TEST(TrainTokenizerTest, SaysWhatIsWrong) {
  const auto none = [](absl::string_view*) { return false; };
  EXPECT_THAT(TrainTokenizer("word", 300, none).status().message(),
              HasSubstr("tokenizer: is \"word\"; must be bpe or unigram"));
  EXPECT_THAT(TrainTokenizer("bpe", 255, none).status().message(),
              HasSubstr("pieces: is 255; must be in [256, 32000]"));
  EXPECT_TRUE(absl::IsInvalidArgument(TrainTokenizer("bpe", 300, none).status()));
}

TEST(OpenTokenizerTest, RefusesWhatIsNone) {
  const std::string file = TrainedTokenizer("bpe");
  for (const std::string& bad :
       {std::string(), std::string("no model"), file.substr(0, file.size() / 2),
        RandomBytes(5, 4000), std::string(kMaxTokenizerFile + 1, 'x')}) {
    const auto opened = OpenTokenizer(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(opened.status())) << opened.status();
  }
  // A trainer that says it made a model of words (type 3).
  const auto words = ReadSentencePieceFile("\x12\x02\x18\x03");
  EXPECT_THAT(words.status().message(), HasSubstr("must be of the kind bpe or unigram"));
}

TEST(SegmentBytesTest, CutsBehindLinesAndBeforeSpaces) {
  EXPECT_EQ(SegmentBytes(""), 0u);
  EXPECT_EQ(SegmentBytes("one\ntwo"), 4u);
  EXPECT_EQ(SegmentBytes("one"), 3u);
  const std::string word(4000, 'a');
  EXPECT_EQ(SegmentBytes(word + " " + word), 4000u);
  EXPECT_EQ(SegmentBytes(word + word), kMaxSegment);
  // No character is cut.
  EXPECT_EQ(SegmentBytes(std::string(4095, 'a') + "\xE2\x98\x83" + word), 4095u);
  // Bytes that are none are.
  EXPECT_GE(SegmentBytes(std::string(9000, '\x80')), kMaxSegment - 4);
}

}  // namespace
}  // namespace strata
