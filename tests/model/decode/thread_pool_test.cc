// The pool by its promises alone: every index of a job once, no thread in two places, and
// a job's body never called once ParallelFor has returned.

#include "model/decode/thread_pool.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace strata {
namespace {

TEST(ThreadPool, EveryIndexOfEveryJobRunsOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    for (int64_t job = 0; job < 2000; ++job) {
      const int64_t n = job % 7;
      std::vector<int> runs(n, 0);
      pool.ParallelFor(n, [&](int, int64_t i) { ++runs[i]; });
      for (const int run : runs) ASSERT_EQ(run, 1) << threads << " " << job;
    }
  }
}

TEST(ThreadPool, AThreadRunsOneIndexAtATime) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  std::vector<std::atomic<int>> inside(kThreads);
  for (int job = 0; job < 200; ++job) {
    pool.ParallelFor(16, [&](int thread, int64_t) {
      ASSERT_GE(thread, 0);
      ASSERT_LT(thread, kThreads);
      EXPECT_EQ(inside[thread].fetch_add(1), 0);
      inside[thread].fetch_sub(1);
    });
  }
}

// Helpers sleep meanwhile, and some are still on their way when a job is over.
TEST(ThreadPool, JobsThatComeLateAreDoneToo) {
  ThreadPool pool(3);
  for (int job = 0; job < 30; ++job) {
    std::this_thread::sleep_for(std::chrono::microseconds(job * 30));
    std::atomic<int> runs{0};
    for (int again = 0; again < 3; ++again) {
      pool.ParallelFor(5, [&](int, int64_t) { ++runs; });
    }
    EXPECT_EQ(runs, 15);
  }
}

TEST(ThreadPool, WaitsForAHelperThatIsInTheJob) {
  ThreadPool pool(2);
  const std::thread::id owner = std::this_thread::get_id();
  for (int job = 0; job < 20; ++job) {
    std::atomic<bool> entered{false};
    std::atomic<int> runs{0};
    pool.ParallelFor(2, [&](int, int64_t) {
      if (std::this_thread::get_id() == owner) {
        while (!entered) std::this_thread::yield();
      } else {
        entered = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      ++runs;
    });
    EXPECT_EQ(runs, 2);
  }
}

}  // namespace
}  // namespace strata
