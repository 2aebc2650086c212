#pragma once
// What commands write: exact bytes on standard output, notes on standard error.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

// Writes and flushes; an error when nobody reads any more.
absl::Status WriteOut(absl::string_view bytes);
absl::Status WriteLine(absl::string_view line);

// The whole file, standard input for "-".
absl::StatusOr<std::string> ReadInput(const std::string& path);

// Makes or replaces a file.
absl::Status WriteFile(const std::string& path, absl::string_view content);

// Columns padded to their widest cell, two spaces between; the first row is the
// heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "1.2M", "340k", "17".
std::string HumanCount(double value);
// "0:42", "1:02:03".
std::string HumanSeconds(double seconds);
// "2026-11-21 08:00:00" in local time, "-" for 0.
std::string HumanTime(int64_t wall_millis);

}  // namespace strata
