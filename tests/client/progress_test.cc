#include "client/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "client/output.h"

namespace strata {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::TrainProgress Half() {
  v1::TrainProgress p;
  p.set_step(50);
  p.set_total_steps(100);
  p.set_loss(1.5);
  p.set_bits_per_byte(2.164);
  p.set_tokens_per_second(34567);
  p.set_eta_seconds(62);
  return p;
}

v1::JobEvent Metrics(int64_t step) {
  v1::JobEvent event;
  event.set_type("metrics");
  event.set_state(v1::RUNNING);
  *event.mutable_progress() = Half();
  event.mutable_progress()->set_step(step);
  return event;
}

class FakeClock final : public Clock {
 public:
  MonotonicTime Now() const override { return now; }
  int64_t WallMillis() const override { return 0; }
  MonotonicTime now{};
};

// What `use` writes to a display that is a terminal, or not.
template <typename F>
std::string Written(bool terminal, const Clock* clock, F use) {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = open_memstream(&text, &size);
  {
    ProgressDisplay display(out, terminal, clock);
    use(&display);
  }
  fclose(out);
  std::string written(text, size);
  free(text);
  return written;
}

TEST(RenderProgressTest, ShowsStepLossRateAndTimeLeft) {
  const std::string line = RenderProgress(Half(), 120);
  for (const char* part : {"50/100", "50%", "loss 1.5000", "2.1640 bits/byte", "34.6k tokens/s",
                           "1:02 left", "[====="}) {
    EXPECT_THAT(line, HasSubstr(part));
  }
}

TEST(RenderProgressTest, NeverExceedsTheWidth) {
  for (int columns = 0; columns < 200; ++columns) {
    EXPECT_LE(RenderProgress(Half(), columns).size(), static_cast<size_t>(columns));
  }
}

TEST(RenderProgressTest, BarGrowsWithTheSteps) {
  v1::TrainProgress p = Half();
  int64_t before = -1;
  for (int64_t step = 0; step <= 100; step += 10) {
    p.set_step(step);
    const std::string line = RenderProgress(p, 140);
    const auto full = std::count(line.begin(), line.end(), '=');
    EXPECT_GT(full, before);
    before = full;
  }
}

TEST(ProgressDisplayTest, TerminalRedrawsOneLineAndKeepsNotesAboveIt) {
  FakeClock clock;
  const std::string text = Written(true, &clock, [](ProgressDisplay* display) {
    display->OnEvent(Metrics(1));
    display->OnEvent(Metrics(2));
    display->Note("connection lost");
  });
  EXPECT_THAT(text, HasSubstr("\r\033[Kconnection lost\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);  // the note, the end
}

TEST(ProgressDisplayTest, ElsewhereWritesPlainLinesAtAPace) {
  FakeClock clock;
  const std::string text = Written(false, &clock, [&](ProgressDisplay* display) {
    for (int step = 1; step < 100; ++step) {
      clock.now += std::chrono::milliseconds(100);
      display->OnEvent(Metrics(step));
    }
    display->OnEvent(Metrics(100));
  });
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text, HasSubstr("step 1/100"));
  EXPECT_THAT(text, HasSubstr("step 100/100 100%"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);  // 1, 51, 100
}

TEST(RenderEventTest, SaysWhatIsWorthALine) {
  v1::JobEvent event;
  EXPECT_EQ(RenderEvent(Metrics(3)), "");
  event.set_type("state_changed");
  event.set_state(v1::RUNNING);
  event.set_message("STARTING to RUNNING");
  EXPECT_EQ(RenderEvent(event), "RUNNING");
  event.set_message("the server came back");
  EXPECT_EQ(RenderEvent(event), "RUNNING: the server came back");
  event.set_published("mine@2");
  EXPECT_EQ(RenderEvent(event), "published mine@2");
  event.mutable_eval()->set_bits_per_byte(1.25);
  EXPECT_THAT(RenderEvent(event), HasSubstr("1.2500 bits/byte"));
  event.mutable_error()->set_code("NON_FINITE");
  EXPECT_THAT(RenderEvent(event), HasSubstr("NON_FINITE"));
}

TEST(RenderEventTest, NgramHeadsAreToldBesideTheLoss) {
  v1::JobEvent event;
  event.mutable_eval()->set_loss(1.5);
  EXPECT_THAT(RenderEvent(event), testing::EndsWith("held-out text"));
  event.mutable_eval()->add_ngram_losses(2);
  event.mutable_eval()->add_ngram_losses(2.25);
  EXPECT_THAT(RenderEvent(event), HasSubstr("text; n-gram heads 2.0000, 2.2500"));
}

TEST(RenderEventTest, ClassifierHasAccuracyAndF1InsteadOfBits) {
  v1::JobEvent event;
  event.mutable_eval()->set_accuracy(0.75);
  event.mutable_eval()->set_macro_f1(0.5);
  EXPECT_THAT(RenderEvent(event), HasSubstr("accuracy 0.7500, macro-F1 0.5000"));
  EXPECT_THAT(RenderEvent(event), testing::Not(HasSubstr("bits")));
  v1::TrainProgress progress;
  progress.set_step(3);
  progress.set_total_steps(10);
  progress.set_loss(0.7);
  EXPECT_THAT(RenderProgress(progress, 80), HasSubstr("loss 0.7000"));
  EXPECT_THAT(RenderProgress(progress, 80), testing::Not(HasSubstr("bits")));
}

TEST(OutputTest, FormatsForPeople) {
  EXPECT_EQ(HumanCount(17), "17");
  EXPECT_EQ(HumanCount(999.9), "1.0k");
  EXPECT_EQ(HumanCount(1234567), "1.2M");
  EXPECT_EQ(HumanSeconds(42.4), "0:42");
  EXPECT_EQ(HumanSeconds(3723), "1:02:03");
  EXPECT_EQ(HumanSeconds(-1), "-:--");
  EXPECT_EQ(FormatTable({{"A", "B"}, {"long", "x"}}), "A     B\nlong  x\n");
}

}  // namespace
}  // namespace strata
