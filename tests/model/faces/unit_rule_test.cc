#include "model/unit_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "model/base/random.h"
#include "model/presets.h"

namespace strata {
namespace {

using ::testing::ElementsAre;

LevelConfig Words(int least, int most) {
  LevelConfig level = PresetConfig("spacebyte").value().levels[0];
  level.block_min = least;
  level.block = most;
  return level;
}

std::vector<int64_t> Items(const std::string& text) {
  return {text.begin(), text.end()};
}

// The units of a text, the incomplete one last.
std::vector<std::string> Cut(const LevelConfig& level, const std::string& text) {
  std::vector<std::string> units(1);
  OpenUnit open;
  for (const char c : text) {
    units.back() += c;
    if (TakeItem(level, static_cast<unsigned char>(c), &open)) {
      units.emplace_back();
    }
  }
  return units;
}

TEST(UnitRule, UnitsEndWithWhatFollowsAWord) {
  EXPECT_THAT(Cut(Words(2, 16), "It was, in  1999: o"),
              ElementsAre("It ", "was,", " in ", " 1999:", " o"));
}

TEST(UnitRule, WordsOfOtherScriptsStayWhole) {
  // The first byte of a character of two breaks a word, the second goes on with
  // it; so letters of other scripts are words of one or more characters.
  EXPECT_THAT(Cut(Words(2, 16), "na\xC3\xAFve x"),
              ElementsAre("na\xC3", "\xAFve ", "x"));
}

// Pieces of the given bytes, as the items of a level: of each class one.
class PieceWords {
 public:
  PieceWords(int least, int most) : level_(Words(least, most)) {
    std::stable_sort(pieces_.begin(), pieces_.end(), [](auto& a, auto& b) {
      return PieceClass(a) < PieceClass(b);
    });
    level_.piece_classes.resize(kPieceClasses);
    for (const std::string& piece : pieces_) ++level_.piece_classes[PieceClass(piece)];
  }

  const LevelConfig& level() const { return level_; }
  Item ItemOf(const std::string& text) const {
    const auto at = std::find(pieces_.begin(), pieces_.end(), text);
    if (at != pieces_.end()) return kVocab + static_cast<Item>(at - pieces_.begin());
    return static_cast<uint8_t>(text[0]);
  }
  // The units that the pieces or bytes make, the incomplete one last.
  std::vector<std::string> Cut(const std::vector<std::string>& items) const {
    std::vector<std::string> units(1);
    OpenUnit open;
    for (const std::string& item : items) {
      units.back() += item;
      if (TakeItem(level_, ItemOf(item), &open)) units.emplace_back();
    }
    return units;
  }

 private:
  std::vector<std::string> pieces_ = {"ing", "was, ", "d o", " wal", "  ", " a ", " a b",
                                      "It"};
  LevelConfig level_;
};

TEST(UnitRule, APieceCountsAsItsBytes) {
  const PieceWords words(2, 16);
  EXPECT_THAT(words.Cut({"It", " wal", "k", "ing", " a ", "d o"}),
              ElementsAre("It wal", "king a ", "d o"));
  // A space alone ends a unit behind a word, not behind another space.
  EXPECT_THAT(words.Cut({"It", "  ", "  ", " ", "It", " ", "x"}),
              ElementsAre("It  ", "   It ", "x"));
}

// Whatever the pieces, units end after the first item in which the bytes alone would
// have ended one.
TEST(UnitRule, PiecesEndUnitsWhereTheirBytesDo) {
  const PieceWords words(2, 256);
  const std::vector<std::string> choice = {"ing", "was, ", "d o", " wal", "  ",
                                           " a ", " a b",  "It",  "x",    " "};
  OpenUnit open;
  bool in_word = false;
  for (uint64_t i = 0; i < 3000; ++i) {
    const std::string& item = choice[RandomBits(6, 0, i) % choice.size()];
    bool wished = false;
    for (const char c : item) {
      const bool space = IsSpacelike(static_cast<uint8_t>(c));
      wished = wished || (space && in_word);
      in_word = !space;
    }
    const bool may = open.items + 1 >= 2;
    ASSERT_EQ(TakeItem(words.level(), words.ItemOf(item), &open), wished && may) << i;
    ASSERT_EQ(open.in_word, in_word) << i;
  }
}

TEST(UnitRule, ClassesMustBeThoseOfTheVocabulary) {
  const LevelConfig level = PieceWords(2, 16).level();
  EXPECT_TRUE(CheckPieceClasses(level, kVocab + 8).ok());
  EXPECT_FALSE(CheckPieceClasses(level, kVocab + 9).ok());
  EXPECT_FALSE(CheckPieceClasses(level, kVocab).ok());
  EXPECT_FALSE(CheckPieceClasses(Words(2, 16), kVocab + 8).ok());
  EXPECT_TRUE(CheckPieceClasses(Words(2, 16), kVocab).ok());
  const LevelConfig fixed = PresetConfig("block").value().levels[0];
  EXPECT_TRUE(CheckPieceClasses(fixed, kVocab + 8).ok());
}

TEST(UnitRule, ARouterIsHeardBetweenTheLimits) {
  LevelConfig level = PresetConfig("dynamic").value().levels[0];
  level.block_min = 2;
  level.block = 4;
  const std::vector<uint8_t> wished = {1, 0, 1, 1, 1, 0, 0, 0, 0, 1};
  EXPECT_THAT(RoutedUnitEnds(level, wished, {}),
              ElementsAre(0, 0, 1, 0, 1, 0, 0, 0, 1, 0));
  const std::vector<int64_t> documents = {7, 7, 7, 7, 8, 8, 8, 8, 8, 8};
  EXPECT_THAT(RoutedUnitEnds(level, wished, documents),
              ElementsAre(0, 0, 1, 1, 0, 0, 0, 1, 0, 1));
}

TEST(UnitRule, KeepsItsLimits) {
  EXPECT_THAT(Cut(Words(4, 5), "a b c abcdefgh"),
              ElementsAre("a b ", "c abc", "defgh", ""));
  for (const int least : {2, 3, 7}) {
    const LevelConfig level = Words(least, 9);
    OpenUnit open;
    int64_t length = 0;
    for (uint64_t i = 0; i < 5000; ++i) {
      ++length;
      const Item item = static_cast<Item>(RandomBits(3, 0, i) % 260);
      if (!TakeItem(level, item, &open)) continue;
      ASSERT_GE(length, least);
      ASSERT_LE(length, 9);
      length = 0;
    }
  }
}

TEST(UnitRule, FixedBlocksDoNotLookAtTheBytes) {
  const LevelConfig level = PresetConfig("block").value().levels[0];
  EXPECT_THAT(Cut(level, "a b c d e f g h i"),
              ElementsAre("a b c d ", "e f g h ", "i"));
}

TEST(UnitEnds, NoUnitHoldsTwoDocuments) {
  const LevelConfig level = Words(2, 16);
  const auto items = Items("one twothree");
  EXPECT_THAT(RuleUnitEnds(level, items, {}),
              ElementsAre(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  // Each document is cut as if it were alone.
  const std::vector<int64_t> documents = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  EXPECT_THAT(RuleUnitEnds(level, items, documents),
              ElementsAre(0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0));
}

}  // namespace
}  // namespace strata
