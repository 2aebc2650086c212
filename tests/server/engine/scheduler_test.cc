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

// Each rule of scheduler.h. `late` says, bit by bit, who waited for long.
void CheckPlan(const std::vector<int64_t>& left, unsigned late, int64_t budget,
               int64_t turn) {
  std::vector<RowLoad> load;
  int64_t prompts_late = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    load.push_back({left[i], late >> i & 1 ? kLateAfter : kLateAfter - 1});
    prompts_late += left[i] > 0 && (late >> i & 1);
  }
  const std::vector<int64_t> plan = PlanStep(load, budget, turn);
  ASSERT_EQ(plan.size(), left.size());
  int64_t used = 0;
  int64_t last = 0;  // what the longest that was served got
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i] == 0) {
      ASSERT_EQ(plan[i], 1) << "a decoding row sits out";
      continue;
    }
    ASSERT_GE(plan[i], 0);
    ASSERT_LE(plan[i], left[i]);
    used += plan[i];
    if (plan[i] == left[i]) last = std::max(last, plan[i]);
  }
  const int64_t all = std::accumulate(left.begin(), left.end(), int64_t{0});
  ASSERT_GE(used, std::min(budget, all)) << "budget is wasted";
  ASSERT_LE(used, budget + budget / 8);
  ASSERT_TRUE(used <= budget || last > 0) << "longer, and no prompt ended";
  const int64_t shared = (budget + 3) / 4;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i] == 0 || plan[i] == left[i]) continue;
    if (late >> i & 1) {
      ASSERT_GE(plan[i], shared / prompts_late) << "not its share";
    }
    for (size_t j = 0; j < left.size(); ++j) {
      if (late >> j & 1 || left[j] < left[i] || (left[j] == left[i] && j <= i)) continue;
      ASSERT_EQ(plan[j], 0) << "a longer prompt is served first";
    }
  }
}

TEST(PlanStep, HoldsItsRulesForEverySmallLoad) {
  for (size_t rows = 1; rows <= 4; ++rows) {
    ForEachLoad(rows, 4, [&](const std::vector<int64_t>& left) {
      for (const int64_t budget : {1, 2, 3, 5, 8, 9, 16}) {
        for (int64_t turn = 0; turn < 4; ++turn) {
          for (unsigned late = 0; late < 1u << rows; ++late) {
            CheckPlan(left, late, budget, turn);
          }
        }
      }
    });
  }
}

TEST(PlanStep, NothingRunsNothingIsPlanned) {
  EXPECT_TRUE(PlanStep({}, 512, 3).empty());
}

// Rows that read, step by step, as a worker has them.
class Reading {
 public:
  explicit Reading(int64_t budget) : budget_(budget) {}

  size_t Add(int64_t items) {
    load_.push_back({items, 0});
    return load_.size() - 1;
  }
  void Step() {
    const std::vector<int64_t> plan = PlanStep(load_, budget_, steps_++);
    for (size_t i = 0; i < load_.size(); ++i) {
      if (load_[i].to_read > 0) load_[i].to_read -= plan[i];
      ++load_[i].waited;
    }
  }
  int64_t left(size_t row) const { return load_[row].to_read; }
  int prompts() const {
    return static_cast<int>(std::count_if(
        load_.begin(), load_.end(), [](const RowLoad& row) { return row.to_read > 0; }));
  }
  // Until it is read.
  int64_t StepsFor(size_t row) {
    int64_t steps = 0;
    for (; load_[row].to_read > 0; ++steps) Step();
    return steps;
  }

 private:
  const int64_t budget_;
  int64_t steps_ = 0;
  std::vector<RowLoad> load_;
};

TEST(PlanStep, MorePromptsThanItemsAdvanceInTurns) {
  for (int64_t budget = 1; budget <= 6; ++budget) {
    Reading reading(budget);
    for (int i = 0; i < 7; ++i) reading.Add(1000);
    for (int64_t step = 0; step < kLateAfter + 7; ++step) reading.Step();
    for (size_t i = 0; i < 7; ++i) {
      EXPECT_LE(reading.left(i), 1000 - (budget + 3) / 4);
    }
  }
}

TEST(PlanStep, LongPromptsDoNotStarveShortOnes) {
  for (const int64_t length : {100, 384, 500, 512}) {
    for (const size_t longs : {1, 3, 30}) {
      Reading reading(512);
      for (size_t i = 0; i < longs; ++i) reading.Add(1'000'000);
      for (int64_t step = 0; step < 2 * kLateAfter; ++step) reading.Step();
      // Those that are late have their quarter; an eighth more ends it.
      EXPECT_LE(reading.StepsFor(reading.Add(length)), length <= 384 + 64 ? 1 : 2);
    }
  }
}

TEST(PlanStep, ShortPromptsDoNotStarveALongOne) {
  constexpr int kRows = 8;  // whenever one of the short ones is read the next comes
  Reading reading(512);
  const size_t row = reading.Add(10'000);
  int64_t steps = 0;
  for (; reading.left(row) > 0; ++steps) {
    while (reading.prompts() < kRows) reading.Add(500);
    reading.Step();
    ASSERT_LT(steps, 10'000);
  }
  EXPECT_LE(steps, kLateAfter + 10'000 / (128 / kRows));
}

TEST(PlanStep, EqualPromptsAreReadOneAfterAnother) {
  for (const int64_t length : {512, 513, 570}) {  // up to an eighth more than a step
    Reading reading(512);
    std::vector<size_t> rows;
    for (int i = 0; i < 8; ++i) rows.push_back(reading.Add(length));
    for (int64_t step = 1; step <= 8; ++step) {
      reading.Step();
      for (int64_t i = 0; i < 8; ++i) {
        EXPECT_EQ(reading.left(rows[i]), i < step ? 0 : length) << step;
      }
    }
  }
}

TEST(PlanStep, ALoneLongPromptGetsEverything) {
  for (const int64_t waited : {0, 100}) {
    EXPECT_EQ(PlanStep({{0, 9}, {32'000, waited}, {0, 9}}, 512, 0),
              (std::vector<int64_t>{1, 512, 1}));
  }
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
