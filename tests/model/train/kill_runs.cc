#include "tests/model/train/kill_runs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/base/random.h"
#include "model/version_dir.h"
#include "tests/model/train/train_fixture.h"

namespace strata::testing {
namespace {

namespace fs = std::filesystem;

bool HasTemporaries(const std::string& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename().string().rfind(".tmp-", 0) == 0) return true;
  }
  return false;
}

int CountRollBacks(const std::vector<TrainEvent>& events) {
  int count = 0;
  for (const TrainEvent& e : events) count += e.code == "ROLLED_BACK";
  return count;
}

}  // namespace

void KillSomewhere(const TrainRun& run, uint64_t seed, uint64_t kill) {
  TrainerProcess trainer(run);
  const uint64_t events = RandomBits(seed, kill, 0) % 12;
  for (uint64_t i = 0; i < events; ++i) {
    if (!trainer.Next().has_value()) break;
  }
  usleep(static_cast<useconds_t>(RandomBits(seed, kill, 1) % 60000));
  if (RandomBits(seed, kill, 2) % 3 == 0) {
    trainer.Write("stop\n");
    EXPECT_EQ(trainer.Finish().code(), absl::StatusCode::kAborted);
  } else {
    trainer.Kill();
  }
  trainer.Wait();
}

void ExpectKillsChangeNothing(int kills, uint64_t seed) {
  TempDir dir;
  ExpectKillsChangeNothing(TinyRun(dir.path(), SampleText(20000)), kills, seed);
}

void ExpectKillsChangeNothing(TrainRun run, int kills, uint64_t seed) {
  run.spec.steps = 40 + 30 * kills;  // no run lives long enough to finish
  run.spec.checkpoint_every_steps = 3;
  run.spec.eval_every_steps = 7;
  {
    TrainerProcess trainer(run);
    std::vector<TrainEvent> events;
    ASSERT_EQ(trainer.Finish(&events), absl::OkStatus());
    ASSERT_EQ(trainer.Wait(), 0);
    EXPECT_EQ(CountRollBacks(events), run.spec.model == "poisoned" ? 2 : 0);
  }
  const std::string expected = ResultHash(run);
  ASSERT_EQ(expected.size(), 64u);
  run.job_dir += "-killed";
  run.save_within_seconds = 0.02;  // as after a lost attempt: at odd steps
  fs::create_directories(run.job_dir);
  for (int kill = 0; kill < kills; ++kill) {
    ++run.fence;
    KillSomewhere(run, seed, static_cast<uint64_t>(kill));
  }
  EXPECT_EQ(ResultHash(run), "");  // or the kills came too late
  ++run.fence;
  TrainerProcess trainer(run);
  EXPECT_EQ(trainer.Finish(), absl::OkStatus());
  EXPECT_EQ(trainer.Wait(), 0);
  EXPECT_EQ(ResultHash(run), expected);
  EXPECT_FALSE(HasTemporaries(run.job_dir));
}

void RewriteEnvironment(const TrainRun& run, int64_t step) {
  const std::string path = absl::StrCat(run.job_dir, "/checkpoints/step-", step);
  const std::string moved = path + "-old";
  fs::rename(path, moved);
  auto writer = DirWriter::Create(path, "test");
  ASSERT_TRUE(writer.ok());
  for (const auto& entry : fs::directory_iterator(moved)) {
    const std::string name = entry.path().filename().string();
    if (name == "MANIFEST.json") continue;
    std::string contents = *ReadFile(entry.path().string());
    if (name == "trainer_state.json") {
      contents = absl::StrReplaceAll(contents, {{"\"cpu\": \"", "\"cpu\": \"Z"}});
    }
    ASSERT_TRUE(writer->WriteFile(name, contents).ok());
  }
  fs::remove_all(moved);
  ASSERT_TRUE(writer->Commit({}).ok());
}

}  // namespace strata::testing
