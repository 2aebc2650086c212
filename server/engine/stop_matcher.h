#pragma once
// StopMatcher: finds the first of several stop strings in a stream of bytes, and
// says how many of the last bytes could still become one. The match that ends
// first wins; of those that end at the same byte, the longest.
// One Knuth-Morris-Pratt state per string. Thread-compatible.
// Cost: a few operations per byte and string, at most 16 strings.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace strata {

inline constexpr size_t kMaxStops = 16;
inline constexpr size_t kMaxStopBytes = 256;

// INVALID_ARGUMENT: more than 16, an empty one, one longer than 256 bytes. The
// message begins with the field, `stop` or `stop[i]`.
absl::Status ValidateStops(absl::Span<const std::string> stops);

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);

  // Feeds a byte. The stop string that ends with it, or null. After a match the
  // matcher is spent.
  const std::string* Push(uint8_t byte);

  // There are no stop strings.
  bool empty() const { return patterns_.empty(); }
  // Length of the longest suffix of the stream that begins a stop string.
  size_t held() const { return held_; }

 private:
  struct Pattern {
    std::string text;
    std::vector<int> border;  // border[i]: of text[0..i], longest proper
    size_t matched = 0;
  };
  static Pattern MakePattern(std::string text);

  std::vector<Pattern> patterns_;
  size_t held_ = 0;
};

}  // namespace strata
