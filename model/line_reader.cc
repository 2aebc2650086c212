#include "model/line_reader.h"

#include <algorithm>
#include <cerrno>

#include "model/base/status_macros.h"
#include "model/file_io.h"

namespace strata {
namespace {
constexpr size_t kChunk = 1 << 16;
}  // namespace

absl::StatusOr<ChunkReader> ChunkReader::Open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return ErrnoStatus(errno, "open", path);
  return ChunkReader(path, file);
}

absl::StatusOr<absl::string_view> ChunkReader::Next() {
  buffer_.resize(kChunk);
  buffer_.resize(std::fread(buffer_.data(), 1, kChunk, file_.get()));
  if (std::ferror(file_.get())) return ErrnoStatus(errno, "read", path_);
  return buffer_;
}

absl::StatusOr<LineReader> LineReader::Open(const std::string& path) {
  STRATA_ASSIGN_OR_RETURN(ChunkReader chunks, ChunkReader::Open(path));
  return LineReader(std::move(chunks));
}

absl::StatusOr<bool> LineReader::Next(size_t limit, std::string* line,
                                      bool* too_long) {
  line->clear();
  *too_long = false;
  bool any = false;
  while (true) {
    if (left_.empty()) {
      STRATA_ASSIGN_OR_RETURN(left_, chunks_.Next());
    }
    if (left_.empty()) return any;
    any = true;
    const size_t end = left_.find('\n');
    const absl::string_view part = left_.substr(0, end);
    const size_t room = limit - line->size();
    *too_long = *too_long || part.size() > room;
    line->append(part.data(), std::min(part.size(), room));
    const bool whole = end != absl::string_view::npos;
    const size_t taken = part.size() + (whole ? 1 : 0);
    bytes_ += static_cast<int64_t>(taken);
    left_.remove_prefix(taken);
    if (whole) return true;
  }
}

}  // namespace strata
