#pragma once
// DataLock: one server per data folder. An flock on DATA/lock, which the kernel
// drops with the process however it ends.

#include <string>

#include "absl/status/statusor.h"

namespace strata {

class DataLock {
 public:
  // Creates `dir` if absent. FAILED_PRECONDITION: another server holds it.
  static absl::StatusOr<DataLock> Take(const std::string& dir);
  DataLock(DataLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  DataLock& operator=(DataLock&&) = delete;
  ~DataLock();

 private:
  explicit DataLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace strata
