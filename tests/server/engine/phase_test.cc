#include "server/engine/phase.h"

#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/presets.h"
#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

using ::testing::ElementsAre;

TEST(PhasePeriodTest, IsTheLongestBlockWorthWaitingFor) {
  const auto period = [](const char* preset, int64_t wait = 15) {
    return PhasePeriod(PresetConfig(preset).value(), wait);
  };
  EXPECT_EQ(period("block"), 8);
  EXPECT_EQ(period("hourglass"), 4);
  EXPECT_EQ(period("three-level"), 4);  // a unit of 32 above
  EXPECT_EQ(period("three-level", 31), 32);
  EXPECT_EQ(period("block", 6), 1);
  EXPECT_EQ(period("block", 0), 1);
  EXPECT_EQ(period("flat"), 1);
  EXPECT_EQ(period("tree"), 1);
  EXPECT_EQ(period("spacebyte"), 1);
}

TEST(HeldForPhaseTest, AStreamWaitsUntilTheOthersAreInItsPhase) {
  const int model = 0, other = 0;
  std::vector<PhasedRow> rows = {{&model, 100, 8, true}, {&model, 37, 8, false}};
  int64_t waited = 0;
  while (HeldForPhase(rows)[1]) {
    ++rows[0].size;
    ++waited;
  }
  EXPECT_EQ(waited, 1);  // 101 - 37 is a multiple of 8
  rows.push_back({&other, 3, 8, false});
  EXPECT_THAT(HeldForPhase(rows), ElementsAre(false, false, false));
}

TEST(HeldForPhaseTest, WhereNoneRunsTheFirstSetsThePhase) {
  const int model = 0;
  EXPECT_THAT(HeldForPhase({{&model, 9, 4, false},
                            {&model, 10, 4, false},
                            {&model, 13, 4, false}}),
              ElementsAre(false, true, false));
  EXPECT_THAT(HeldForPhase({{&model, 9, 1, false}, {&model, 10, 1, false}}),
              ElementsAre(false, false));
}

// Whatever comes and goes, nobody waits for a period, and those who run are in phase.
TEST(HeldForPhaseTest, NobodyWaitsLongAndAllWhoRunAreInPhase) {
  const int model = 0;
  constexpr int64_t kPeriod = 8;
  std::vector<PhasedRow> rows;
  std::vector<int64_t> waited;
  uint64_t draw = 0;
  for (int step = 0; step < 5000; ++step) {
    if (rows.size() < 6 && RandomBits(1, 0, ++draw) % 3 == 0) {
      rows.push_back({&model, static_cast<int64_t>(RandomBits(1, 1, draw) % 50),
                      kPeriod, false});
      waited.push_back(0);
    }
    const std::vector<bool> held = HeldForPhase(rows);
    int64_t phase = -1;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (held[i]) {
        ASSERT_FALSE(rows[i].joined);
        ASSERT_LT(++waited[i], kPeriod);
        continue;
      }
      ASSERT_TRUE(phase < 0 || phase == rows[i].size % kPeriod);
      phase = rows[i].size % kPeriod;
      rows[i].joined = true;
      ++rows[i].size;
    }
    if (!rows.empty() && RandomBits(1, 2, draw + step) % 7 == 0) {
      const size_t gone = RandomBits(1, 3, draw + step) % rows.size();
      rows.erase(rows.begin() + static_cast<long>(gone));
      waited.erase(waited.begin() + static_cast<long>(gone));
    }
  }
}

// Prompts of two items or more are read in one step, so a row that feeds one item
// decodes.
TEST_F(EngineTest, StreamsCompleteTheirBlocksTogether) {
  for (const int64_t wait : {0, 7}) {
    std::set<std::set<int64_t>> phases;  // of the rows of each step
    FakeModelOptions options;
    options.block = 8;
    options.on_step = [&](absl::Span<const StepRow> rows) {
      std::set<int64_t> of_step;
      for (const StepRow& row : rows) {
        if (row.items.size() == 1) of_step.insert(row.sequence->size() % 8);
      }
      phases.insert(of_step);
      return absl::OkStatus();
    };
    Use(std::move(options), {.phase_wait = wait});
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 20; ++i) {
      sinks.push_back(Submit(Request(absl::StrCat(i), 5 + i, std::string(i, 'x'))));
    }
    for (const auto& sink : sinks) EXPECT_TRUE(sink->Wait().status.ok());
    const bool together =
        std::all_of(phases.begin(), phases.end(),
                    [](const auto& of_step) { return of_step.size() <= 1; });
    EXPECT_EQ(together, wait == 7);
    engine.reset();
  }
}

}  // namespace
}  // namespace strata
