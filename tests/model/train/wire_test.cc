// The wire format of trainer processes survives both ways and refuses nonsense.

#include "model/trainer_wire.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace strata {
namespace {

using Type = TrainEvent::Type;

TrainEvent RoundTrip(const TrainEvent& event) {
  const std::string line = TrainEventToJson(event);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto back = ParseTrainEvent(line);
  EXPECT_TRUE(back.ok()) << line << back.status();
  return back.ok() ? *back : TrainEvent();
}

TEST(TrainerWire, EventsSurvive) {
  TrainEvent e;
  e.type = Type::kStarted;
  e.resumed_from_step = 40;
  e.threads = 2;
  e.environment_json = R"({"isa":"AVX2"})";
  EXPECT_EQ(RoundTrip(e).resumed_from_step, 40);
  EXPECT_EQ(RoundTrip(e).environment_json, e.environment_json);
  e.type = Type::kProgress;
  e.progress.step = int64_t{1} << 40;
  e.progress.loss = std::numeric_limits<double>::quiet_NaN();
  e.progress.learning_rate = 0.1 + 0.2;
  e.progress.padding_fraction = 0.25;
  EXPECT_EQ(RoundTrip(e).progress.step, int64_t{1} << 40);
  EXPECT_TRUE(std::isnan(RoundTrip(e).progress.loss));
  EXPECT_EQ(RoundTrip(e).progress.learning_rate, 0.1 + 0.2);
  EXPECT_EQ(RoundTrip(e).progress.padding_fraction, 0.25);
  e.type = Type::kEval;
  e.eval.step = 3;
  e.eval.loss = 1.5;
  e.eval.bits_per_byte = 2.1;
  e.eval.items = 99;
  EXPECT_EQ(RoundTrip(e).eval.items, 99);
  EXPECT_FALSE(RoundTrip(e).eval.accuracy.has_value());
  EXPECT_TRUE(RoundTrip(e).eval.ngram_losses.empty());
  e.eval.ngram_losses = {2.5, std::numeric_limits<double>::quiet_NaN()};
  ASSERT_EQ(RoundTrip(e).eval.ngram_losses.size(), 2u);
  EXPECT_EQ(RoundTrip(e).eval.ngram_losses[0], 2.5);
  EXPECT_TRUE(std::isnan(RoundTrip(e).eval.ngram_losses[1]));
  e.eval.accuracy = 0.75;
  e.eval.macro_f1 = 0.5;
  EXPECT_EQ(RoundTrip(e).eval.accuracy, 0.75);
  EXPECT_EQ(RoundTrip(e).eval.macro_f1, 0.5);
  e.type = Type::kCheckpoint;
  e.path = "/a \"b\"";
  e.bytes = 7;
  EXPECT_EQ(RoundTrip(e).path, e.path);
  e.type = Type::kWarning;
  e.code = "NON_FINITE";
  e.message = "line one\nline two";
  EXPECT_EQ(RoundTrip(e).message, e.message);
  e.type = Type::kAlive;
  EXPECT_EQ(RoundTrip(e).type, Type::kAlive);
  e.type = Type::kTicket;
  EXPECT_EQ(RoundTrip(e).type, Type::kTicket);
  e.type = Type::kSlice;
  e.seconds = 0.1 + 0.2;
  EXPECT_EQ(RoundTrip(e).type, Type::kSlice);
  EXPECT_EQ(RoundTrip(e).seconds, 0.1 + 0.2);
  e.type = Type::kEnded;
  e.status = absl::ResourceExhaustedError("disk");
  EXPECT_EQ(RoundTrip(e).status, e.status);
}

TEST(TrainerWire, BytesThatAreNotUtf8DoNotBreakALine) {
  TrainEvent e;
  e.type = Type::kWarning;
  e.code = "X";
  e.message = "bad \xff byte";
  EXPECT_EQ(RoundTrip(e).code, "X");
}

TEST(TrainerWire, EventsAreStrict) {
  for (const char* line :
       {"", "3", "{}", R"({"type": 3})", R"({"type": "surprise"})",
        R"({"type": "warning", "code": "X"})",
        R"({"type": "warning", "code": 1, "message": "m"})",
        R"({"type": "slice"})", R"({"type": "slice", "seconds": "1"})",
        R"({"type": "checkpoint", "step": 1.5, "path": "", "bytes": 1})",
        R"({"type": "started", "resumed_from_step": 0, "threads": 1,
            "environment": "x"})",
        R"({"type": "eval", "step": 1, "loss": 1, "bits_per_byte": 1, "items": 1,
            "ngram_losses": [1, "x"]})",
        R"({"type": "ended", "code": 99999999999, "message": ""})"}) {
    EXPECT_EQ(ParseTrainEvent(line).status().code(),
              absl::StatusCode::kInvalidArgument)
        << line;
  }
  EXPECT_TRUE(
      ParseTrainEvent(
          R"({"type":"warning","code":"X","message":"m","more":[1]})")
          .ok());
}

TEST(TrainerWire, RunsSurvive) {
  TrainRun run;
  run.job_dir = "/jobs/7";
  run.tokenizer_path = "/tokenizers/8.model";
  run.dataset_path = "/data";
  run.base_dir = "";
  run.fence = 12;
  run.save_within_seconds = 30.5;
  run.heartbeat_seconds = 2.5;
  run.micro_batch = 3;
  run.device = "cuda:1";
  run.shares_device = true;
  run.spec.base = "block";
  run.spec.model = "m";
  run.spec.dataset_sha256 = std::string(64, 'a');
  run.spec.steps = 10;
  run.spec.seed = ~uint64_t{0};
  run.spec.learning_rate = 1e-3 / 3;
  const auto back = ParseTrainRun(TrainRunToJson(run));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->job_dir, run.job_dir);
  EXPECT_EQ(back->tokenizer_path, run.tokenizer_path);
  EXPECT_EQ(back->fence, 12);
  EXPECT_EQ(back->save_within_seconds, 30.5);
  EXPECT_EQ(back->heartbeat_seconds, 2.5);
  EXPECT_EQ(back->micro_batch, 3);
  EXPECT_EQ(back->device, "cuda:1");
  EXPECT_TRUE(back->shares_device);
  EXPECT_EQ(TrainSpecToJson(back->spec), TrainSpecToJson(run.spec));
  EXPECT_FALSE(ParseTrainRun("{}").ok());
}

TEST(TrainerWire, ARunThatNamesNoDeviceIsOnTheCpu) {
  std::string json = TrainRunToJson(TrainRun());
  const std::string member = R"("device":"cpu",)";
  ASSERT_NE(json.find(member), std::string::npos) << json;
  json.erase(json.find(member), member.size());
  const auto run = ParseTrainRun(json);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->device, "cpu");
}

TEST(TrainerWire, ExitCodesSayWhetherToTryAgain) {
  EXPECT_EQ(TrainerExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(TrainerExitCode(absl::InvalidArgumentError("")), 64);
  EXPECT_EQ(TrainerExitCode(absl::AbortedError("")), 75);
  EXPECT_EQ(TrainerExitCode(absl::InternalError("")), 1);
}

}  // namespace
}  // namespace strata
