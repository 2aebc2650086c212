// Durations and sizes as people write them.

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/app/flags.h"

namespace strata {
namespace {

struct Unit {
  const char* name;
  double factor;
};

// Splits "10s" in 10 and the factor of "s"; false for anything else.
bool SplitUnit(absl::string_view text, absl::Span<const Unit> units, double* value) {
  const size_t end = text.find_first_not_of("0123456789.");
  const absl::string_view number = text.substr(0, end);
  const absl::string_view unit =
      end == absl::string_view::npos ? absl::string_view() : text.substr(end);
  if (number.empty() || !absl::SimpleAtod(number, value)) return false;
  for (const Unit& known : units) {
    if (unit == known.name) {
      *value *= known.factor;
      return std::isfinite(*value);
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<MonotonicDuration> ParseDuration(absl::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60},
                                    {"h", 3600}};
  double seconds = 0;
  if (!SplitUnit(text, kUnits, &seconds) || seconds > 1e8) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no duration such as 500ms, 10s or 2m"));
  }
  return std::chrono::duration_cast<MonotonicDuration>(
      std::chrono::duration<double>(seconds));
}

absl::StatusOr<int64_t> ParseBytes(absl::string_view text) {
  static constexpr Unit kUnits[] = {
      {"", 1}, {"B", 1},
      {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0},
      {"TiB", 1099511627776.0},
      {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}};
  double bytes = 0;
  if (!SplitUnit(text, kUnits, &bytes) || bytes > 9e18) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no size such as 65536, 256MiB or 4GiB"));
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace strata
