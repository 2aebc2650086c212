#include "client/percentiles.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

TEST(PercentilesTest, AreNearestRank) {
  Percentiles values;
  for (int i = 100; i >= 1; --i) values.Add(i);
  EXPECT_EQ(values.At(50), 50);
  EXPECT_EQ(values.At(90), 90);
  EXPECT_EQ(values.At(99), 99);
  EXPECT_EQ(values.At(100), 100);
  EXPECT_EQ(values.At(0.1), 1);
  EXPECT_EQ(values.Mean(), 50.5);
}

TEST(PercentilesTest, OfAFewAreSomeOfThem) {
  Percentiles values;
  EXPECT_EQ(values.At(50), 0);
  EXPECT_EQ(values.Mean(), 0);
  values.Add(3);
  EXPECT_EQ(values.At(1), 3);
  EXPECT_EQ(values.At(99), 3);
  values.Add(1);
  EXPECT_EQ(values.At(50), 1);
  EXPECT_EQ(values.At(51), 3);
}

TEST(PercentilesTest, MergeIsTheUnion) {
  Percentiles a, b;
  a.Add(1);
  EXPECT_EQ(a.At(99), 1);
  b.Add(5);
  a.Merge(b);
  EXPECT_EQ(a.count(), 2u);
  EXPECT_EQ(a.At(99), 5);
}

}  // namespace
}  // namespace strata
