#include "server/app/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace strata {

absl::StatusOr<DataLock> DataLock::Take(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  const std::string path = dir + "/lock";
  // Not inherited: a trainer that outlives us must not hold it.
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "data is \"", dir, "\"; this folder cannot be written: ", std::strerror(errno)));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("data is \"", dir, "\"; another server is using this folder"));
  }
  return DataLock(fd);
}

DataLock::~DataLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace strata
