#include "model/train/text_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace strata {
namespace {

TEST(TextOrder, EveryEpochHasEveryTextOnceInAnotherOrder) {
  TextOrder order(17, 5);
  DataCursor cursor;
  const auto first = order.Next(17, {}, &cursor);
  const auto second = order.Next(17, {}, &cursor);
  std::vector<int64_t> all(17);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_THAT(first, ::testing::UnorderedElementsAreArray(all));
  EXPECT_THAT(second, ::testing::UnorderedElementsAreArray(all));
  EXPECT_NE(first, second);
  DataCursor other;
  EXPECT_NE(first, TextOrder(17, 6).Next(17, {}, &other));
}

TEST(TextOrder, CursorResumesAnywhere) {
  TextOrder order(11, 1);
  DataCursor cursor;
  const auto whole = order.Next(40, {}, &cursor);
  for (int64_t cut = 0; cut < 40; ++cut) {
    DataCursor at;
    order.Next(cut, {}, &at);
    const auto rest = TextOrder(11, 1).Next(40 - cut, {}, &at);
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), whole.begin() + cut));
    EXPECT_EQ(at, cursor);
  }
}

TEST(TextOrder, SkippedWindowsAreNeverFed) {
  TextOrder order(10, 1);
  DataCursor cursor;
  const auto whole = order.Next(20, {}, &cursor);
  const DataWindow skip = {{0, 3}, {0, 6}};
  DataCursor at;
  auto kept = order.Next(17, {{skip}}, &at);
  auto expected = whole;
  expected.erase(expected.begin() + 3, expected.begin() + 6);
  EXPECT_EQ(kept, expected);
  EXPECT_EQ(at, cursor);
}

}  // namespace
}  // namespace strata
