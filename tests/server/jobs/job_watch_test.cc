// Watching a job: every event once, in order, and no wake too many.

#include <atomic>
#include <chrono>
#include <thread>

#include "server/jobs/job_watchers.h"
#include "tests/server/jobs/jobs_fixture.h"

namespace strata {
namespace {

using JobWatchTest = JobsTest;

TEST_F(JobWatchTest, AWatcherSeesEveryEventOnceInOrder) {
  StartManager();
  const JobRecord job = Submit();
  int64_t seen = 0;
  WaitFor(job.id, [&](const JobRecord& record) {
    while (true) {
      const auto events = manager->Events(job.id, seen, 2);
      if (events->empty()) return IsTerminal(record.state);
      for (const JobEvent& event : *events) EXPECT_EQ(event.sequence, ++seen);
    }
  });
  EXPECT_EQ(seen, manager->Get(job.id)->last_sequence);
}

TEST_F(JobWatchTest, UnsubscribeWaitsForAWakeThatRuns) {
  JobWatchers watchers;
  std::atomic<bool> entered{false}, left{false};
  const int64_t id = watchers.Subscribe("job", [&] {
    entered = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    left = true;
  });
  watchers.Subscribe("another job", [] { FAIL(); });
  std::thread notifier([&] { watchers.Notify("job"); });
  while (!entered) std::this_thread::yield();
  watchers.Unsubscribe(id);
  EXPECT_TRUE(left);
  notifier.join();
  watchers.Notify("job");  // nobody is there
}

TEST_F(JobWatchTest, NoWakeComesAfterUnsubscribe) {
  executor.Play([](FakeAttempt* attempt) {
    attempt->Started();
    for (int i = 0; i < 300; ++i) attempt->Checkpoint(i);
    return attempt->WriteResult();
  });
  StartManager();
  const JobRecord job = Submit();
  while (!IsTerminal(manager->Get(job.id)->state)) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    std::atomic<int>* raw = alive.get();
    const int64_t id = manager->Subscribe(job.id, [raw] { ++*raw; });
    std::this_thread::yield();
    manager->Unsubscribe(id);
    alive.reset();  // a late wake would be a use after free
  }
}

TEST_F(JobWatchTest, AWakeMayUnsubscribeItself) {
  StartManager();
  const JobRecord job = Submit();
  std::atomic<int64_t> id{-1};
  std::atomic<int> wakes{0};
  id = manager->Subscribe(job.id, [&] {
    ++wakes;
    if (id >= 0) manager->Unsubscribe(id);
  });
  WaitForEnd(job.id);
}

}  // namespace
}  // namespace strata
