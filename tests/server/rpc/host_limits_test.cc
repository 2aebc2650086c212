// Limits of the host, read from folders that look like /proc and /sys.

#include "server/app/host_limits.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "server/app/data_lock.h"

namespace strata {
namespace {

class HostLimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/strata-host-XXXXXX";
    root_ = mkdtemp(name);
    Write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  HostRoots Roots() const { return {root_ + "/proc", root_ + "/cgroup"}; }

  std::string root_;
};

constexpr int64_t kGiB = int64_t{1} << 30;

TEST_F(HostLimitsTest, WithoutCgroupTheMachineIsTheLimit) {
  EXPECT_EQ(MemoryLimitBytes(Roots()), 16 * kGiB);
}

TEST_F(HostLimitsTest, Version2TakesTheSmallestOnTheWayUp) {
  Write("proc/self/cgroup", "0::/pod/container\n");
  Write("cgroup/pod/container/memory.max", "max\n");
  Write("cgroup/pod/memory.max", "1073741824\n");
  EXPECT_EQ(MemoryLimitBytes(Roots()), kGiB);
}

TEST_F(HostLimitsTest, InsideAContainerTheMountIsTheLimit) {
  Write("proc/self/cgroup", "0::/only/the/host/sees/this\n");
  Write("cgroup/memory.max", "2147483648\n");
  EXPECT_EQ(MemoryLimitBytes(Roots()), 2 * kGiB);
}

TEST_F(HostLimitsTest, Version1IsReadToo) {
  Write("proc/self/cgroup", "5:cpu,cpuacct:/c\n4:memory:/m\n");
  Write("cgroup/memory/m/memory.limit_in_bytes", "536870912\n");
  EXPECT_EQ(MemoryLimitBytes(Roots()), kGiB / 2);
  Write("cgroup/cpu/c/cpu.cfs_quota_us", "50000\n");
  Write("cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CpuLimit(Roots()), 1);
}

TEST_F(HostLimitsTest, NoLimitIsNoLimit) {
  Write("proc/self/cgroup", "4:memory:/m\n0::/m\n");
  Write("cgroup/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
  Write("cgroup/m/cpu.max", "max 100000\n");
  EXPECT_EQ(MemoryLimitBytes(Roots()), 16 * kGiB);
  EXPECT_GE(CpuLimit(Roots()), 1);
}

TEST_F(HostLimitsTest, OneServerPerDataFolder) {
  {
    const auto first = DataLock::Take(root_ + "/data");
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(DataLock::Take(root_ + "/data").status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
  EXPECT_TRUE(DataLock::Take(root_ + "/data").ok());
}

}  // namespace
}  // namespace strata
