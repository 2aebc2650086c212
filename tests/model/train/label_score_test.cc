#include "model/train/label_score.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

// truth   a a a a b b c     guess   a a b b b a a
//   a: right 2, true 4, guessed 4: F1 = 4/8
//   b: right 1, true 2, guessed 3: F1 = 2/5
//   c: right 0, true 1, guessed 0: F1 = 0
TEST(LabelScore, MatchesACaseDoneByHand) {
  LabelScore score(4);  // the fourth label never comes up
  const int64_t truth[] = {0, 0, 0, 0, 1, 1, 2};
  const int64_t guess[] = {0, 0, 1, 1, 1, 0, 0};
  for (int i = 0; i < 7; ++i) score.Add(truth[i], guess[i]);
  EXPECT_DOUBLE_EQ(score.Accuracy(), 3.0 / 7);
  EXPECT_DOUBLE_EQ(score.MacroF1(), (0.5 + 0.4 + 0.0) / 3);
}

TEST(LabelScore, AllRightAllWrongAndNothing) {
  LabelScore right(2), wrong(2), nothing(2);
  for (const int64_t label : {0, 1, 1}) {
    right.Add(label, label);
    wrong.Add(label, 1 - label);
  }
  EXPECT_EQ(right.Accuracy(), 1);
  EXPECT_EQ(right.MacroF1(), 1);
  EXPECT_EQ(wrong.Accuracy(), 0);
  EXPECT_EQ(wrong.MacroF1(), 0);
  EXPECT_EQ(nothing.Accuracy(), 0);
  EXPECT_EQ(nothing.MacroF1(), 0);
}

// A guess of the frequent label alone looks good in accuracy alone.
TEST(LabelScore, RareLabelsCountAsMuch) {
  LabelScore score(2);
  for (int i = 0; i < 9; ++i) score.Add(0, 0);
  score.Add(1, 0);
  EXPECT_DOUBLE_EQ(score.Accuracy(), 0.9);
  EXPECT_DOUBLE_EQ(score.MacroF1(), (18.0 / 19) / 2);
}

}  // namespace
}  // namespace strata
