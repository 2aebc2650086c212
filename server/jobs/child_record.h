#pragma once
// `JOB_DIR/child.json`: which process works on a job folder, so that the next
// server process can tell whether it is still there. A process is named by id,
// start time and boot, which no other process ever shares. Thread-safe: pure
// functions of the file system.

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strata {

struct ChildRecord {
  int64_t pid = 0;
  int64_t start_ticks = 0;  // since boot
  std::string boot_id;
};

// Of a process that exists. NOT_FOUND otherwise.
absl::StatusOr<ChildRecord> DescribeProcess(pid_t pid);
// The same process exists and is not a zombie.
bool IsAlive(const ChildRecord& record);

absl::Status WriteChildRecord(const std::string& job_dir,
                              const ChildRecord& record);
// NOT_FOUND when there is none.
absl::StatusOr<ChildRecord> ReadChildRecord(const std::string& job_dir);
void RemoveChildRecord(const std::string& job_dir);

}  // namespace strata
