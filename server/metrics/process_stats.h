#pragma once
// What the kernel says about this process. Thread-safe; zeros where /proc is
// not what we know.

#include <cstdint>

namespace strata {

struct ProcessStats {
  int64_t resident_bytes = 0;
  int64_t open_files = 0;
  int64_t threads = 0;
  double cpu_seconds = 0;
};

ProcessStats ReadProcessStats();

}  // namespace strata
