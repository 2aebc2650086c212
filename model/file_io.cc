#include "model/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/version_dir.h"

namespace strata {

absl::Status ErrnoStatus(int error, absl::string_view what,
                         absl::string_view path) {
  const std::string message =
      absl::StrCat(what, " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EEXIST:
    case ENOTEMPTY:
      return absl::AlreadyExistsError(message);
    default:
      return absl::InternalError(message);
  }
}

FileSink::FileSink(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

FileSink::FileSink(FileSink&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

FileSink::~FileSink() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(path_.c_str());
}

absl::StatusOr<FileSink> FileSink::Create(const std::string& path) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "create", path);
  return FileSink(path, fd);
}

absl::Status FileSink::Append(absl::string_view bytes) {
  constexpr size_t kChunk = size_t{1} << 30;  // write(2) is capped near 2 GiB
  while (!bytes.empty()) {
    const ssize_t n =
        write(fd_, bytes.data(), std::min(bytes.size(), kChunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "write", path_);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status FileSink::Finish() {
  if (fsync(fd_) != 0) return ErrnoStatus(errno, "fsync", path_);
  // Some file systems report a late write error here.
  if (close(std::exchange(fd_, -1)) != 0) {
    const int error = errno;
    unlink(path_.c_str());
    return ErrnoStatus(error, "close", path_);
  }
  return absl::OkStatus();
}

absl::Status SyncPath(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "fsync", path);
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string BaseOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  std::string contents;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    const int error = errno;
    if (n <= 0) close(fd);
    if (n < 0) return ErrnoStatus(error, "read", path);
    if (n == 0) return contents;
    contents.append(buffer, static_cast<size_t>(n));
  }
}

absl::Status WriteFileAtomically(const std::string& path,
                                 absl::string_view contents) {
  static std::atomic<uint64_t> counter{0};
  const std::string parent = ParentOf(path);
  const std::string temp = absl::StrCat(parent, "/.tmp-", BaseOf(path), "-",
                                        getpid(), "-", counter.fetch_add(1));
  STRATA_ASSIGN_OR_RETURN(FileSink sink, FileSink::Create(temp));
  STRATA_RETURN_IF_ERROR(sink.Append(contents));
  STRATA_RETURN_IF_ERROR(sink.Finish());
  if (rename(temp.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temp.c_str());
    return ErrnoStatus(error, "rename to", path);
  }
  return SyncPath(parent);
}

}  // namespace strata
