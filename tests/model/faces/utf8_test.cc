#include "model/base/utf8.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace strata {
namespace {

TEST(Utf8, KnowsTheEdges) {
  const auto npos = absl::string_view::npos;
  EXPECT_EQ(FindInvalidUtf8(""), npos);
  for (const char* good : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80",
                           "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(FindInvalidUtf8(absl::StrCat("a", good, "b")), npos);
    EXPECT_EQ(Utf8Length(absl::StrCat(good, "b")), strlen(good));
    const std::string cut(good, strlen(good) - 1);
    EXPECT_EQ(Utf8Length(cut), 0u);
    if (!cut.empty()) {
      EXPECT_EQ(FindInvalidUtf8("a" + cut), 1u);
    }
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF",
                          "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE",
                          "\xC2\x41", "\xE2\x82\x41"}) {
    EXPECT_EQ(FindInvalidUtf8(absl::StrCat("a", bad, "b")), 1u);
    EXPECT_EQ(Utf8Length(absl::StrCat(bad, "b")), 0u);
  }
}

TEST(Utf8State, WhatItRefusesChangesNothing) {
  Utf8State state;
  EXPECT_TRUE(state.Accept(0xE2));
  EXPECT_EQ(state.missing(), 2);
  EXPECT_FALSE(state.Accept('a'));
  EXPECT_EQ(state.missing(), 2);
  EXPECT_TRUE(state.Accept(0x82));
  EXPECT_TRUE(state.Accept(0xAC));
  EXPECT_EQ(state.missing(), 0);
}

}  // namespace
}  // namespace strata
