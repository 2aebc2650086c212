#include "client/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/client/fake_service.h"

namespace strata {
namespace {

using testing::ElementsAre;

class WatchTest : public testing::Test {
 protected:
  WatchTest() : connection_(server_.address) {
    server_.training.job.set_name("jobs/j");
    server_.training.job.set_state(v1::SUCCEEDED);
    for (int i = 1; i <= 5; ++i) server_.training.events.emplace_back().set_sequence(i);
  }

  JobWatcher Watcher() {
    JobWatcher::Options options;
    options.retry_pause = std::chrono::milliseconds(10);
    return JobWatcher(&connection_, "jobs/j", options);
  }

  absl::StatusOr<v1::Job> Watch(JobWatcher* watcher) {
    return watcher->Watch([&](const v1::JobEvent& event) { seen_.push_back(event.sequence()); },
                          [&](const std::string& note) { notes_.push_back(note); });
  }

  FakeServer server_;
  Connection connection_;
  std::vector<int64_t> seen_;
  std::vector<std::string> notes_;
};

TEST_F(WatchTest, DeliversEveryEventOnceAndTheJob) {
  JobWatcher watcher = Watcher();
  const auto job = Watch(&watcher);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::SUCCEEDED);
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(notes_.empty());
}

TEST_F(WatchTest, ResumesABrokenStreamAfterTheLastEvent) {
  server_.training.break_after = 2;
  JobWatcher watcher = Watcher();
  ASSERT_TRUE(Watch(&watcher).ok());
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(server_.training.resumed_after, ElementsAre(0, 2));
  EXPECT_EQ(notes_.size(), 2u);  // lost, connected again
}

TEST_F(WatchTest, AnUnknownJobIsAnErrorAtOnce) {
  server_.training.job.set_name("jobs/other");
  server_.training.events.clear();
  JobWatcher watcher = Watcher();
  EXPECT_TRUE(absl::IsNotFound(Watch(&watcher).status()));
}

TEST_F(WatchTest, StopEndsAWatchThatWaits) {
  server_.training.hold = true;
  JobWatcher watcher = Watcher();
  std::thread stopper([&] { watcher.Stop(); });
  EXPECT_TRUE(absl::IsCancelled(Watch(&watcher).status()));
  stopper.join();
}

TEST_F(WatchTest, AnUnreachableServerIsAnErrorAtOnce) {
  Connection nowhere("127.0.0.1:1");
  JobWatcher watcher(&nowhere, "jobs/j", {});
  EXPECT_TRUE(absl::IsUnavailable(Watch(&watcher).status()));
}

}  // namespace
}  // namespace strata
