#include "model/decode/free_ranges.h"

#include "gtest/gtest.h"

namespace strata {
namespace {

TEST(FreeRangesTest, TakesTheFirstThatFits) {
  FreeRanges free;
  EXPECT_FALSE(free.Take(1).has_value());
  free.Give(0, 4);
  free.Give(10, 8);
  EXPECT_EQ(free.Take(5), 10);
  EXPECT_EQ(free.Take(3), 0);
  EXPECT_EQ(free.Take(3), 15);
  EXPECT_EQ(free.Take(1), 3);
  EXPECT_FALSE(free.Take(1).has_value());
}

TEST(FreeRangesTest, NeighboursAreJoined) {
  FreeRanges free;
  free.Give(0, 2);
  free.Give(4, 2);
  const Range joined = free.Give(2, 2);
  EXPECT_EQ(joined.begin, 0);
  EXPECT_EQ(joined.count, 6);
  EXPECT_EQ(free.Take(6), 0);
}

TEST(FreeRangesTest, WhatIsApartStaysApart) {
  FreeRanges free;
  free.Give(0, 2);
  EXPECT_EQ(free.Give(3, 2).count, 2);
  EXPECT_FALSE(free.Take(3).has_value());
}

}  // namespace
}  // namespace strata
