#include "server/app/host_limits.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace strata {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Path of this process below a controller's mount, from PROC/self/cgroup.
// Version 2 has one line with an empty controller list.
std::string CgroupPath(const HostRoots& roots, const std::string& controller) {
  std::ifstream file(absl::StrCat(roots.proc, "/self/cgroup"));
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<std::string> names = absl::StrSplit(parts[1], ',');
    if (std::find(names.begin(), names.end(), controller) != names.end()) {
      return parts[2];
    }
  }
  return "/";
}

// Calls `visit` with the folder of the process's cgroup and of each around it.
// Inside a container the path may name what only the host sees: missing folders
// are skipped, the mount itself comes last.
void VisitCgroups(const std::string& mount, std::string path,
                  const std::function<void(const std::string&)>& visit) {
  while (path.size() > 1) {
    visit(absl::StrCat(mount, path));
    path.resize(std::max<size_t>(path.rfind('/'), 0));
  }
  visit(mount);
}

int64_t MachineMemory(const HostRoots& roots) {
  std::ifstream file(absl::StrCat(roots.proc, "/meminfo"));
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kib = 0;
    if (words.size() >= 2 && words[0] == "MemTotal:" && absl::SimpleAtoi(words[1], &kib)) {
      return kib * 1024;
    }
  }
  return int64_t{8} << 30;
}

int AffinityCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return CPU_COUNT(&cores);
  return std::max(1u, std::thread::hardware_concurrency());
}

// "max 100000" or "150000 100000"; version 1 has the two in two files.
std::optional<double> Quota(absl::string_view quota, absl::string_view period) {
  double use = 0, every = 0;
  if (!absl::SimpleAtod(quota, &use) || !absl::SimpleAtod(period, &every)) {
    return std::nullopt;
  }
  if (use <= 0 || every <= 0) return std::nullopt;
  return use / every;
}

}  // namespace

int64_t MemoryLimitBytes(const HostRoots& roots) {
  int64_t limit = MachineMemory(roots);
  const auto take = [&limit](const std::string& path) {
    int64_t bytes = 0;
    if (absl::SimpleAtoi(FirstLine(path), &bytes) && bytes > 0) {
      limit = std::min(limit, bytes);
    }
  };
  VisitCgroups(roots.cgroup, CgroupPath(roots, ""),
               [&](const std::string& dir) { take(dir + "/memory.max"); });
  VisitCgroups(roots.cgroup + "/memory", CgroupPath(roots, "memory"),
               [&](const std::string& dir) { take(dir + "/memory.limit_in_bytes"); });
  return limit;
}

int CpuLimit(const HostRoots& roots) {
  double cores = AffinityCores();
  const auto take = [&cores](std::optional<double> quota) {
    if (quota.has_value()) cores = std::min(cores, *quota);
  };
  VisitCgroups(roots.cgroup, CgroupPath(roots, ""), [&](const std::string& dir) {
    const std::vector<std::string> words =
        absl::StrSplit(FirstLine(dir + "/cpu.max"), ' ');
    if (words.size() == 2) take(Quota(words[0], words[1]));
  });
  VisitCgroups(roots.cgroup + "/cpu", CgroupPath(roots, "cpu"),
               [&](const std::string& dir) {
                 take(Quota(FirstLine(dir + "/cpu.cfs_quota_us"),
                            FirstLine(dir + "/cpu.cfs_period_us")));
               });
  return std::max(1, static_cast<int>(std::ceil(cores)));
}

}  // namespace strata
