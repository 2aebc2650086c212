#include "server/engine/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace strata {

absl::Status ValidateStops(absl::Span<const std::string> stops) {
  if (stops.size() > kMaxStops) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stop has ", stops.size(), " strings; at most ", kMaxStops, " are allowed"));
  }
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty() || stops[i].size() > kMaxStopBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop[", i, "] is ", stops[i].size(),
                       " bytes; must be in [1, ", kMaxStopBytes, "]"));
    }
  }
  return absl::OkStatus();
}

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  patterns_.reserve(stops.size());
  for (std::string& stop : stops) {
    patterns_.push_back(MakePattern(std::move(stop)));
  }
}

StopMatcher::Pattern StopMatcher::MakePattern(std::string text) {
  Pattern pattern;
  pattern.border.assign(text.size(), 0);
  for (size_t i = 1, k = 0; i < text.size(); ++i) {
    while (k > 0 && text[i] != text[k]) k = pattern.border[k - 1];
    if (text[i] == text[k]) ++k;
    pattern.border[i] = static_cast<int>(k);
  }
  pattern.text = std::move(text);
  return pattern;
}

const std::string* StopMatcher::Push(uint8_t byte) {
  const std::string* found = nullptr;
  held_ = 0;
  for (Pattern& p : patterns_) {
    const char c = static_cast<char>(byte);
    while (p.matched > 0 && p.text[p.matched] != c) {
      p.matched = p.border[p.matched - 1];
    }
    if (p.text[p.matched] == c) ++p.matched;
    held_ = std::max(held_, p.matched);
    if (p.matched == p.text.size() &&
        (found == nullptr || p.text.size() > found->size())) {
      found = &p.text;
    }
  }
  return found;
}

}  // namespace strata
