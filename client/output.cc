#include "client/output.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "model/base/status_macros.h"

namespace strata {

absl::Status WriteOut(absl::string_view bytes) {
  if (fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || fflush(stdout) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot write the output: ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status WriteLine(absl::string_view line) { return WriteOut(absl::StrCat(line, "\n")); }

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  const auto close = [](FILE* file) {
    if (file != stdin) fclose(file);
  };
  std::unique_ptr<FILE, decltype(close)> file(path == "-" ? stdin : fopen(path.c_str(), "rb"),
                                              close);
  std::string content;
  if (file != nullptr) {
    char chunk[1 << 16];
    size_t got = 0;
    while ((got = fread(chunk, 1, sizeof chunk, file.get())) > 0) content.append(chunk, got);
  }
  if (file == nullptr || ferror(file.get()) != 0) {
    return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  }
  return content;
}

absl::Status WriteFile(const std::string& path, absl::string_view content) {
  FILE* const file = fopen(path.c_str(), "wb");
  const bool written =
      file != nullptr && fwrite(content.data(), 1, content.size(), file) == content.size();
  if (file != nullptr && fclose(file) == 0 && written) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string table;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size() + 2, ' '));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&table, line, "\n");
  }
  return table;
}

std::string HumanCount(double value) {
  const char* unit = "";
  for (const char* next : {"k", "M", "G", "T"}) {
    if (std::fabs(value) < 999.5) break;
    value /= 1000;
    unit = next;
  }
  if (*unit == '\0') return absl::StrFormat("%.0f", value);
  return absl::StrFormat(std::fabs(value) < 99.95 ? "%.1f%s" : "%.0f%s", value, unit);
}

std::string HumanSeconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e9) return "-:--";
  const int64_t whole = static_cast<int64_t>(std::llround(seconds));
  if (whole >= 3600) {
    return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
}

std::string HumanTime(int64_t wall_millis) {
  if (wall_millis == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(wall_millis),
                          absl::LocalTimeZone());
}

}  // namespace strata
