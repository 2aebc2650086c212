// Learning rate, the non-finite policy, and the state that carries them.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "model/train/lr_schedule.h"
#include "model/train/non_finite.h"
#include "model/train/train_state.h"

namespace strata {
namespace {

using Verdict = NonFinitePolicy::Verdict;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

TrainSpec Spec() {
  TrainSpec spec;
  spec.steps = 1000;
  spec.warmup_steps = 30;
  spec.learning_rate = 2e-3;
  spec.min_lr_ratio = 0.1;
  return spec;
}

TEST(LearningRate, WarmsUpPeaksAndEndsAtTheRatio) {
  const TrainSpec spec = Spec();
  EXPECT_DOUBLE_EQ(LearningRate(spec, 0), 2e-3 / 30);
  EXPECT_DOUBLE_EQ(LearningRate(spec, 29), 2e-3);
  EXPECT_DOUBLE_EQ(LearningRate(spec, 30), 2e-3);
  EXPECT_NEAR(LearningRate(spec, 999), 2e-4, 1e-18);
  const double middle = LearningRate(spec, 30 + 969 / 2);
  EXPECT_NEAR(middle, 0.55 * 2e-3, 4e-6);
  for (int64_t k = 31; k < 1000; ++k) {
    EXPECT_LE(LearningRate(spec, k), LearningRate(spec, k - 1));
  }
}

TEST(LearningRate, ShortRunsHaveNoHoles) {
  TrainSpec spec = Spec();
  for (spec.steps = 1; spec.steps < 5; ++spec.steps) {
    for (spec.warmup_steps = 0; spec.warmup_steps <= spec.steps;
         ++spec.warmup_steps) {
      for (int64_t k = 0; k < spec.steps; ++k) {
        EXPECT_GT(LearningRate(spec, k), 0);
        EXPECT_LE(LearningRate(spec, k), spec.learning_rate);
      }
    }
  }
}

TEST(LearningRate, RampsUpAgainAfterARollBack) {
  EXPECT_EQ(RollbackFactor(1.0, -1, 7), 1.0);
  EXPECT_DOUBLE_EQ(RollbackFactor(0.5, 100, 100), 0.5 / kRewarmSteps);
  EXPECT_DOUBLE_EQ(RollbackFactor(0.5, 100, 100 + kRewarmSteps), 0.5);
}

DataWindow Rows(int64_t step) { return {{0, step * 8}, {0, step * 8 + 8}}; }

TEST(NonFinitePolicy, SkipsTwoRollsBackAtThree) {
  NonFinitePolicy policy;
  EXPECT_EQ(policy.Judge(1.0, 2.0, 0, Rows(0)), Verdict::kUpdate);
  EXPECT_EQ(policy.Judge(kNan, 2.0, 1, Rows(1)), Verdict::kSkip);
  EXPECT_FALSE(policy.healthy());
  EXPECT_EQ(policy.Judge(1.0, kInf, 2, Rows(2)), Verdict::kSkip);
  EXPECT_EQ(policy.Judge(1.0, 1.0, 3, Rows(3)), Verdict::kUpdate);
  EXPECT_TRUE(policy.healthy());
  EXPECT_EQ(policy.Judge(kInf, 1.0, 4, Rows(4)), Verdict::kSkip);
  EXPECT_EQ(policy.Judge(1.0, kNan, 5, Rows(5)), Verdict::kSkip);
  EXPECT_EQ(policy.Judge(1.0, -kInf, 6, Rows(6)), Verdict::kRollBack);
  policy.RolledBack(2);
  EXPECT_EQ(policy.state().skipped_steps, 5);
  EXPECT_EQ(policy.state().rollbacks, 1);
  EXPECT_EQ(policy.state().lr_scale, 0.5);
  EXPECT_EQ(policy.state().rewarm_from, 2);
  EXPECT_EQ(policy.state().skip.size(), 5u);
}

TEST(NonFinitePolicy, ManyScatteredOnesRollBackToo) {
  NonFinitePolicy policy;
  Verdict last = Verdict::kUpdate;
  for (int64_t step = 0; step < 50; ++step) {
    last = policy.Judge(step % 10 == 0 ? kNan : 1.0, 1.0, step, Rows(step));
    if (step < 40) EXPECT_NE(last, Verdict::kRollBack);
    if (step == 40) EXPECT_EQ(last, Verdict::kRollBack);
  }
  // Once in 60 steps is tolerated for ever.
  NonFinitePolicy rare;
  for (int64_t step = 0; step < 3000; ++step) {
    EXPECT_NE(rare.Judge(step % 60 == 0 ? kNan : 1, 1, step, Rows(step)),
              Verdict::kRollBack);
  }
}

TEST(NonFinitePolicy, GivesUpAfterThreeRollBacks) {
  NonFinitePolicy policy;
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(policy.Judge(kNan, 1, 0, Rows(0)), Verdict::kSkip);
    EXPECT_EQ(policy.Judge(kNan, 1, 1, Rows(1)), Verdict::kSkip);
    EXPECT_EQ(policy.Judge(kNan, 1, 2, Rows(2)),
              round < 3 ? Verdict::kRollBack : Verdict::kGiveUp);
    if (round < 3) policy.RolledBack(0);
  }
  EXPECT_EQ(policy.state().lr_scale, 0.125);
}

TEST(TrainState, SurvivesJson) {
  TrainState state;
  state.step = 12345678901;
  state.updates = 3;
  state.cursor = {4, 99};
  state.non_finite.skipped_steps = 2;
  state.non_finite.lr_scale = 0.1 + 0.2;  // needs every digit
  state.non_finite.recent = {{7, Rows(7)}};
  state.non_finite.skip = {Rows(1), Rows(2)};
  state.items_total = 1 << 30;
  state.packing_version = 1;
  state.spec_sha256 = "ab";
  state.environment_json = R"({"threads":2})";
  const auto back = ParseTrainState(TrainStateToJson(state));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->step, state.step);
  EXPECT_EQ(back->cursor, state.cursor);
  EXPECT_EQ(back->non_finite, state.non_finite);
  EXPECT_EQ(back->items_total, state.items_total);
  EXPECT_EQ(back->environment_json, state.environment_json);
}

TEST(TrainState, RefusesWhatIsNotOne) {
  for (const char* text : {"", "{}", "[1]", "null", R"({"format_version": 2})",
                           R"({"format_version": 1, "step": "3"})"}) {
    EXPECT_EQ(ParseTrainState(text).status().code(),
              absl::StatusCode::kDataLoss)
        << text;
  }
}

}  // namespace
}  // namespace strata
