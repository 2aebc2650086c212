// A rule shows what its scope is defined to show, and a cache laid out by it still
// holds all of that whenever it is asked for.

#include "model/scope_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/model/naive_scope.h"

namespace strata {
namespace {

using testing::NaiveSees;

constexpr int64_t kItems = 150;

std::vector<ScopeSpec> Specs() {
  std::vector<ScopeSpec> specs = {{Scope::kFull, 0, 0}, {Scope::kLinear, 0, 0}};
  for (const int size : {1, 2, 5, 16, 20}) {
    specs.push_back({Scope::kWindow, size, 0});
    specs.push_back({Scope::kBlock, 0, size + 1});
    specs.push_back({Scope::kBidirBlock, 0, size + 1});
    for (const int other : {2, 3, 7, 40}) {
      specs.push_back({Scope::kDilated, size, 0, other});
      specs.push_back({Scope::kStrided, size, 0, 0, other});
      specs.push_back({Scope::kGlobalLocal, size, 0, 0, 0, other - 1});
    }
  }
  return specs;
}

class ScopeRuleTest : public ::testing::TestWithParam<ScopeSpec> {
 protected:
  const ScopeSpec spec_ = GetParam();
  const ScopeRule& rule_ = RuleOf(spec_.scope);

  std::vector<int64_t> Items(int64_t i, int64_t n) const {
    std::vector<int64_t> items;
    const VisibleKeys seen = KeysSeen(spec_, i, n);
    for (const KeyRun& run : {seen.kept, seen.recent}) {
      int64_t count = 0;
      for (int64_t j = run.begin; j < run.end; j += run.step, ++count) {
        items.push_back(j);
      }
      EXPECT_EQ(run.count(), count);
    }
    return items;
  }
};

TEST_P(ScopeRuleTest, ShowsWhatItIsDefinedToShow) {
  for (const int64_t n : {int64_t{1}, int64_t{23}, kItems}) {
    for (int64_t i = 0; i < n; ++i) {
      std::vector<int64_t> expected;
      for (int64_t j = 0; j < n; ++j) {
        if (NaiveSees(spec_, i, j)) expected.push_back(j);
      }
      ASSERT_EQ(Items(i, n), expected) << i << " of " << n;
    }
  }
}

TEST_P(ScopeRuleTest, ACacheStillHoldsWhatAQuerySees) {
  if (rule_.slot == nullptr) return;  // nothing is cached by item
  std::vector<int64_t> cache(WholeSlots(rule_.slots(spec_, kItems)), -1);
  for (int64_t i = 0; i < kItems; ++i) {
    cache.at(rule_.slot(spec_, i, 1).slot) = i;
    std::vector<SlotRun> runs;
    const VisibleKeys seen = KeysSeen(spec_, i, i + 1);
    AddSlotRuns(spec_, seen.kept, &runs);
    AddSlotRuns(spec_, seen.recent, &runs);
    std::vector<int64_t> items;
    for (const SlotRun& run : runs) {
      ASSERT_GE(run.count, 1);
      for (int64_t n = 0; n < run.count; ++n) {
        items.push_back(run.item + n * run.step);
        ASSERT_EQ(cache.at(run.slot + n), items.back()) << "for query " << i;
      }
    }
    ASSERT_EQ(items, Items(i, i + 1));
  }
}

TEST_P(ScopeRuleTest, SlotsAreThoseThatItemsUse) {
  if (rule_.slot == nullptr) return;  // nothing is cached by item
  int64_t most = 0;
  const bool rounded =
      spec_.scope == Scope::kWindow || spec_.scope == Scope::kBlock;
  EXPECT_EQ(rule_.slots(spec_, 0), 0);
  for (int64_t i = 0; i < kItems; ++i) {
    most = std::max(most, rule_.slot(spec_, i, 1).slot + 1);
    const int64_t slots = rule_.slots(spec_, i + 1);
    EXPECT_EQ(rounded ? WholeSlots(slots) : slots,
              rounded ? WholeSlots(most) : most)
        << i;
  }
}

TEST_P(ScopeRuleTest, WhatIsKeptIsSeenForEver) {
  for (int64_t j = 0; j < kItems - 100; ++j) {
    const bool kept = rule_.keeps != nullptr && rule_.keeps(spec_, j);
    if (kept) {
      for (int64_t i = j; i < kItems; ++i) EXPECT_TRUE(NaiveSees(spec_, i, j));
    }
    if (rule_.span == nullptr || kept) continue;
    EXPECT_FALSE(NaiveSees(spec_, j + rule_.span(spec_), j));
    EXPECT_EQ(NaiveSees(spec_, j + rule_.span(spec_) - 1, j), true);
  }
}

TEST_P(ScopeRuleTest, PhasesDoNotSeeOneAnother) {
  for (int64_t i = 0; i < kItems; ++i) {
    for (const int64_t j : Items(i, kItems)) {
      EXPECT_EQ(i % Phases(spec_), j % Phases(spec_));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Specs, ScopeRuleTest, ::testing::ValuesIn(Specs()));

TEST(ScopeRules, EveryScopeHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const Scope scope : Scopes()) names.insert(RuleOf(scope).name);
  EXPECT_EQ(names.size(), Scopes().size());
  EXPECT_EQ(std::string(RuleOf(Scope::kBidirBlock).name), "bidir_block");
}

}  // namespace
}  // namespace strata
