#include "model/sentence_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/ascii.h"
#include "model/base/random.h"
#include "model/base/utf8.h"

namespace strata {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Split(const std::string& text, int64_t max = 256) {
  std::vector<std::string> sentences;
  for (const ByteRange& range : SplitSentences(text, max)) {
    sentences.push_back(text.substr(range.begin, range.end - range.begin));
  }
  return sentences;
}

TEST(SentenceSplitter, EndsAtTerminatorsBeforeWhiteSpaceAndAtLineFeeds) {
  EXPECT_THAT(Split("One. Two!? \"Three.\" Four"),
              ElementsAre("One. ", "Two!? ", "\"Three.\" ", "Four"));
  EXPECT_THAT(Split("a line\nanother\r\n\n  last"),
              ElementsAre("a line\n", "another\r\n\n  ", "last"));
  EXPECT_THAT(Split("3.14 is v1.2 (or so...) of pi."),
              ElementsAre("3.14 is v1.2 (or so...) ", "of pi."));
  EXPECT_THAT(Split("Mr. Smith"), ElementsAre("Mr. ", "Smith"));
}

TEST(SentenceSplitter, WhiteSpaceMakesNoSentenceOfItsOwn) {
  EXPECT_THAT(Split("\n\n a.  \n b"), ElementsAre("\n\n a.  \n ", "b"));
  EXPECT_THAT(Split(" \n "), ElementsAre(" \n "));
  EXPECT_THAT(Split(""), ElementsAre());
}

TEST(SentenceSplitter, CutsLongSentencesAtWhiteSpaceOrBetweenCharacters) {
  EXPECT_THAT(Split("aaa bbb ccc", 8), ElementsAre("aaa bbb ", "ccc"));
  EXPECT_THAT(Split("aaaaaaaaaa", 4), ElementsAre("aaaa", "aaaa", "aa"));
  EXPECT_THAT(Split("aé☃🙂é", 5), ElementsAre("aé", "☃", "🙂", "é"));
  EXPECT_THAT(Split(std::string(9, '\x80'), 4).size(), 3);
}

TEST(SentenceSplitter, SentencesPartitionAnyBytes) {
  // Many terminators, spaces, quotes, letters, and pieces of UTF-8.
  const std::string alphabet = std::string(". !?\n\t\"')ab1") + "é☃🙂\x80";
  for (uint64_t i = 0; i < 400; ++i) {
    std::string text;
    const uint64_t size = RandomBits(7, i, 0) % 90;
    for (uint64_t k = 0; k < size; ++k) {
      text += alphabet[RandomBits(7, i, k + 1) % alphabet.size()];
    }
    const int64_t max = 4 + static_cast<int64_t>(i % 30);
    int64_t at = 0;
    for (const ByteRange& range : SplitSentences(text, max)) {
      EXPECT_EQ(range.begin, at);
      EXPECT_GT(range.end, range.begin);
      EXPECT_LE(range.end - range.begin, max);
      at = range.end;
    }
    EXPECT_EQ(at, static_cast<int64_t>(text.size()));
  }
}

TEST(SentenceSplitter, NoCutSplitsACharacterOfValidText) {
  const std::string pieces[] = {"é", "☃", "🙂", "x", "。"};
  for (uint64_t i = 0; i < 100; ++i) {
    std::string text;
    for (uint64_t k = 0; k < 40; ++k) text += pieces[RandomBits(9, i, k) % 5];
    for (const std::string& sentence : Split(text, 4 + i % 9)) {
      EXPECT_EQ(FindInvalidUtf8(sentence), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace strata
