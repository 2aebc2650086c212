#pragma once
// Durable writing over POSIX, with errno turned into statuses: a full disk is
// RESOURCE_EXHAUSTED, a missing path NOT_FOUND, anything else INTERNAL.
// Thread-compatible.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace strata {

// "WHAT PATH: No space left on device"
absl::Status ErrnoStatus(int error, absl::string_view what,
                         absl::string_view path);

// Writes a new file (or truncates an old one). Without Finish the file is
// removed on destruction: a reader never takes half a file for a whole one.
class FileSink {
 public:
  static absl::StatusOr<FileSink> Create(const std::string& path);
  FileSink(FileSink&& other) noexcept;
  FileSink& operator=(FileSink&&) = delete;
  ~FileSink();

  absl::Status Append(absl::string_view bytes);
  absl::Status Finish();  // fsync, close

 private:
  FileSink(std::string path, int fd);
  std::string path_;
  int fd_ = -1;
};

// fsync of a file or a folder that others wrote.
absl::Status SyncPath(const std::string& path);
// The folder part of a path: "." where there is none.
std::string ParentOf(const std::string& path);
std::string BaseOf(const std::string& path);

}  // namespace strata
