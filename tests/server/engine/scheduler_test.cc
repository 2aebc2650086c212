#include "server/engine/scheduler.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace strata {
namespace {

// Calls `check` with every vector of `rows` numbers in [0, most].
template <typename Check>
void ForEachLoad(size_t rows, int64_t most, const Check& check) {
  std::vector<int64_t> load(rows, 0);
  for (;;) {
    check(load);
    size_t i = 0;
    while (i < rows && load[i] == most) load[i++] = 0;
    if (i == rows) return;
    ++load[i];
  }
}

void CheckPlan(const std::vector<int64_t>& load, int64_t budget, int64_t turn) {
  const std::vector<int64_t> plan = PlanStep(load, budget, turn);
  ASSERT_EQ(plan.size(), load.size());
  int64_t used = 0;
  int64_t prompts = 0;
  for (size_t i = 0; i < load.size(); ++i) {
    if (load[i] == 0) {
      ASSERT_EQ(plan[i], 1) << "a decoding row sits out";
      continue;
    }
    ASSERT_GE(plan[i], 0);
    ASSERT_LE(plan[i], load[i]);
    used += plan[i];
    ++prompts;
  }
  const int64_t all = std::accumulate(load.begin(), load.end(), int64_t{0});
  ASSERT_EQ(used, std::min(budget, all)) << "budget is wasted or exceeded";
  const int64_t shared = (budget + 3) / 4;
  for (size_t i = 0; i < load.size(); ++i) {
    if (load[i] == 0 || plan[i] == load[i]) continue;
    ASSERT_GE(plan[i], shared / prompts) << "not its share";
    for (size_t j = 0; j < load.size(); ++j) {
      if (load[j] < load[i] || (load[j] == load[i] && j <= i)) continue;
      ASSERT_LE(plan[j], plan[i] + 1) << "a longer prompt is served first";
    }
  }
}

TEST(PlanStep, HoldsItsRulesForEverySmallLoad) {
  for (size_t rows = 1; rows <= 5; ++rows) {
    ForEachLoad(rows, 4, [&](const std::vector<int64_t>& load) {
      for (int64_t budget = 1; budget <= 9; ++budget) {
        for (int64_t turn = 0; turn < 4; ++turn) CheckPlan(load, budget, turn);
      }
    });
  }
}

TEST(PlanStep, NothingRunsNothingIsPlanned) {
  EXPECT_TRUE(PlanStep({}, 512, 3).empty());
}

TEST(PlanStep, MorePromptsThanItemsAdvanceInTurns) {
  for (int64_t budget = 1; budget <= 6; ++budget) {
    std::vector<int64_t> load(7, 100);
    for (int64_t turn = 0; turn < 7; ++turn) {
      const std::vector<int64_t> plan = PlanStep(load, budget, turn);
      for (size_t i = 0; i < load.size(); ++i) load[i] -= plan[i];
    }
    for (const int64_t left : load) EXPECT_LE(left, 100 - (budget + 3) / 4);
  }
}

// Steps until the short prompt is read, beside `longs` endless ones.
int64_t StepsForShort(int64_t length, size_t longs, int64_t budget) {
  std::vector<int64_t> load(longs + 1, 1'000'000);
  load.back() = length;
  for (int64_t turn = 0;; ++turn) {
    const std::vector<int64_t> plan = PlanStep(load, budget, turn);
    for (size_t i = 0; i < load.size(); ++i) load[i] -= plan[i];
    if (load.back() == 0) return turn + 1;
  }
}

TEST(PlanStep, LongPromptsDoNotStarveShortOnes) {
  EXPECT_EQ(StepsForShort(100, 1, 512), 1);
  EXPECT_EQ(StepsForShort(500, 1, 512), 2);
  EXPECT_EQ(StepsForShort(512, 3, 512), 2);
}

TEST(PlanStep, ShortPromptsDoNotStarveALongOne) {
  int64_t left = 10'000;
  int64_t steps = 0;
  for (; left > 0; ++steps) {  // with a new short one in every step
    const std::vector<int64_t> plan = PlanStep({500, left, 500}, 512, steps);
    ASSERT_GE(plan[1], std::min<int64_t>(left, 42));
    left -= plan[1];
  }
  EXPECT_LE(steps, 10'000 / 42 + 1);
}

TEST(PlanStep, EqualPromptsAreReadOneAfterAnother) {
  std::vector<int64_t> load(8, 512);
  std::vector<int64_t> ended;
  for (int64_t turn = 0; ended.size() < load.size(); ++turn) {
    const std::vector<int64_t> plan = PlanStep(load, 512, turn);
    for (size_t i = 0; i < load.size(); ++i) {
      if (load[i] > 0 && (load[i] -= plan[i]) == 0) {
        ended.push_back(turn + 1);
        load[i] = 1'000'000;  // as if the next were long
      }
    }
    ASSERT_LT(turn, 64);
  }
  EXPECT_LE(ended[3], 6);  // sharing all of it: 8
  EXPECT_LE(ended[0], 2);
}

TEST(PlanStep, ALoneLongPromptGetsEverything) {
  EXPECT_EQ(PlanStep({0, 32'000, 0}, 512, 0),
            (std::vector<int64_t>{1, 512, 1}));
}

// Workers that see a boundary in some order, each taking while it should.
std::vector<int64_t> Spread(std::vector<int64_t> running, int64_t queued,
                            const std::vector<size_t>& order) {
  while (queued > 0) {
    const int64_t before = queued;
    for (const size_t w : order) {
      std::vector<int64_t> others = running;
      others.erase(others.begin() + static_cast<int64_t>(w));
      while (queued > 0 && ShouldTake(running[w], others, queued)) {
        ++running[w];
        --queued;
      }
    }
    EXPECT_LT(queued, before) << "nobody takes";
    if (queued == before) break;
  }
  return running;
}

TEST(ShouldTake, SpreadsEvenlyInWhateverOrderWorkersCome) {
  std::vector<size_t> order = {0, 1, 2};
  do {
    ForEachLoad(3, 4, [&](const std::vector<int64_t>& running) {
      for (int64_t queued = 1; queued <= 12; ++queued) {
        const std::vector<int64_t> after = Spread(running, queued, order);
        // Whoever got one is not above anyone else by more than one.
        const int64_t least = *std::min_element(after.begin(), after.end());
        for (size_t w = 0; w < after.size(); ++w) {
          if (after[w] > running[w]) {
            ASSERT_LE(after[w], least + 1);
          }
        }
      }
    });
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(ShouldTake, TheFirstOfTwoWorkersTakesHalf) {
  EXPECT_EQ(Spread({0, 0}, 64, {0, 1}), (std::vector<int64_t>{32, 32}));
}

TEST(ShouldTake, AnIdleWorkerAlwaysMay) {
  EXPECT_TRUE(ShouldTake(0, {0, 0, 0}, 1));
  EXPECT_TRUE(ShouldTake(0, {}, 1));
  EXPECT_FALSE(ShouldTake(0, {}, 0));
  EXPECT_FALSE(ShouldTake(1, {0}, 1));
}

}  // namespace
}  // namespace strata
