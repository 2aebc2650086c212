#pragma once
// A file in pieces, or in lines, with memory that its contents do not decide.
// Thread-compatible.

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

class ChunkReader {
 public:
  static absl::StatusOr<ChunkReader> Open(const std::string& path);

  // The next bytes, at most 64 KiB; none at the end. Valid until the next call.
  absl::StatusOr<absl::string_view> Next();

 private:
  ChunkReader(std::string path, std::FILE* file)
      : path_(std::move(path)), file_(file, std::fclose) {}

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::string buffer_;
};

class LineReader {
 public:
  static absl::StatusOr<LineReader> Open(const std::string& path);

  // A line without its newline; false at the end. Of a line longer than `limit`
  // bytes the first `limit` are kept, and `too_long` is set.
  absl::StatusOr<bool> Next(size_t limit, std::string* line, bool* too_long);
  // Bytes of all lines so far, newlines and what was not kept included.
  int64_t bytes() const { return bytes_; }

 private:
  explicit LineReader(ChunkReader chunks) : chunks_(std::move(chunks)) {}

  ChunkReader chunks_;
  absl::string_view left_;  // of the chunk
  int64_t bytes_ = 0;
};

}  // namespace strata
