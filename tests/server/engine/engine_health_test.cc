// What probes are told of: a step that does not end, and steps that fail.

#include "server/engine/engine_core.h"
#include "tests/server/engine/engine_fixture.h"

namespace strata {
namespace {

TEST_F(EngineTest, AnExecutorThatFailsStepAfterStepIsFailingForAWhile) {
  std::atomic<bool> fail{true};
  std::atomic<bool> memory{true};
  Use({.on_step =
           [&](absl::Span<const StepRow>) {
             return memory ? absl::ResourceExhaustedError("no memory")
                    : fail ? absl::UnknownError("boom")
                           : absl::OkStatus();
           }},
      {.clock = &clock});
  const auto fail_times = [&](int n) {
    for (int i = 0; i < n; ++i) {
      EXPECT_FALSE(Submit(Request("a"))->Wait().status.ok());
    }
  };
  fail_times(kFaultsInARow);
  EXPECT_FALSE(engine->Failing()) << "a lack of memory is no fault";
  memory = false;
  fail_times(kFaultsInARow - 1);
  fail = false;
  EXPECT_TRUE(Submit(Request("a"))->Wait().status.ok());
  fail = true;
  fail_times(kFaultsInARow - 1);
  EXPECT_FALSE(engine->Failing()) << "one of them went well";
  fail_times(1);
  EXPECT_TRUE(engine->Failing());
  clock.Advance(kFaultMemory);
  EXPECT_FALSE(engine->Failing()) << "it may be tried again";
  fail_times(1);
  EXPECT_TRUE(engine->Failing());
}

TEST_F(EngineTest, HealthyNoticesAStuckStep) {
  Use({}, {.workers = 2, .clock = &clock});
  const auto limit = std::chrono::seconds(5);
  clock.Advance(std::chrono::hours(1));
  EXPECT_TRUE(engine->Healthy(limit)) << "idle is no fault";
  model->gate.Close();
  auto sink = Submit(Request("a"));
  model->gate.WaitForHeld();
  EXPECT_TRUE(engine->Healthy(limit));
  clock.Advance(std::chrono::seconds(6));
  EXPECT_FALSE(engine->Healthy(limit));
  // Others are still served meanwhile, by the other worker.
  auto other = Submit(Request("b"));
  model->gate.WaitForHeld(2);
  model->gate.Open();
  EXPECT_TRUE(sink->Wait().status.ok());
  EXPECT_TRUE(other->Wait().status.ok());
  EXPECT_TRUE(engine->Healthy(limit));
}

}  // namespace
}  // namespace strata
