#pragma once
// What this process may use of its host: the smaller of the machine's memory and
// of every cgroup around it (versions 1 and 2), and the cores that affinity and
// cgroup quota leave. A container that sized itself by the machine would be
// killed by the kernel. Thread-safe.

#include <cstdint>
#include <string>

namespace strata {

struct HostRoots {  // tests give folders of their own
  std::string proc = "/proc";
  std::string cgroup = "/sys/fs/cgroup";
};

int64_t MemoryLimitBytes(const HostRoots& roots = {});
int CpuLimit(const HostRoots& roots = {});  // at least 1

}  // namespace strata
