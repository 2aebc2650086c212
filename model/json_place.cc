#include "model/json_place.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace strata {
namespace {

constexpr size_t kNone = absl::string_view::npos;

size_t SkipSpace(absl::string_view text, size_t at) {
  while (at < text.size() && absl::ascii_isspace(text[at])) ++at;
  return at;
}

// `at`: the opening quote.
size_t StringEnd(absl::string_view text, size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return kNone;
}

// The value of member `name` of the object at `at`; members are compared as they
// are written.
size_t FindMember(absl::string_view text, size_t at, absl::string_view name) {
  for (at = SkipSpace(text, at + 1); at < text.size() && text[at] == '"';) {
    const size_t end = StringEnd(text, at);
    if (end == kNone) return kNone;
    const absl::string_view key = text.substr(at + 1, end - at - 2);
    const size_t colon = SkipSpace(text, end);
    const size_t value = SkipSpace(text, std::min(colon + 1, text.size()));
    if (key == name) return value;
    const size_t after = JsonValueEnd(text, value);
    if (after == kNone) return kNone;
    at = SkipSpace(text, std::min(SkipSpace(text, after) + 1, text.size()));
  }
  return kNone;
}

size_t FindElement(absl::string_view text, size_t at, int64_t index) {
  for (at = SkipSpace(text, at + 1); at < text.size() && text[at] != ']';) {
    if (index-- == 0) return at;
    const size_t end = JsonValueEnd(text, at);
    if (end == kNone) return kNone;
    at = SkipSpace(text, std::min(SkipSpace(text, end) + 1, text.size()));
  }
  return kNone;
}

// Takes the first step off a path: "a", "[2]" and ".a".
absl::string_view NextStep(absl::string_view* path) {
  if (path->front() == '.') path->remove_prefix(1);
  const size_t end = std::min(path->find_first_of(".[", 1), path->size());
  const absl::string_view step = path->substr(0, end);
  path->remove_prefix(end);
  return step;
}

}  // namespace

size_t JsonValueEnd(absl::string_view text, size_t at) {
  at = SkipSpace(text, at);
  int64_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = StringEnd(text, at);
      if (at == kNone) return kNone;
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      --depth;
      ++at;
    } else if (depth > 0) {
      ++at;
      continue;
    } else {  // a number or a word
      return std::min(text.find_first_of(",]} \t\r\n", at), text.size());
    }
    if (depth <= 0) return at;
  }
  return kNone;
}

int64_t JsonPlace(absl::string_view text, absl::string_view path) {
  size_t at = SkipSpace(text, 0);
  while (!path.empty() && at < text.size()) {
    absl::string_view step = NextStep(&path);
    size_t found = kNone;
    int64_t index = 0;
    if (step.front() != '[') {
      if (text[at] == '{') found = FindMember(text, at, step);
    } else if (text[at] == '[' &&
               absl::SimpleAtoi(step.substr(1, step.size() - 2), &index)) {
      found = FindElement(text, at, index);
    }
    if (found == kNone) break;
    at = found;
  }
  return static_cast<int64_t>(at);
}

int64_t JsonKeyPlace(absl::string_view text, int64_t index) {
  size_t at = text.find('"');
  while (at != kNone) {
    const size_t end = StringEnd(text, at);
    if (end == kNone) break;
    const size_t next = SkipSpace(text, end);
    // A string before a colon is a key, any other a value.
    const bool key = next < text.size() && text[next] == ':';
    if (key && index-- == 0) return static_cast<int64_t>(at);
    at = text.find('"', end);
  }
  return 0;
}

int64_t JsonDepthPlace(absl::string_view text, int64_t depth) {
  int64_t open = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = std::min(StringEnd(text, at), text.size());
      continue;
    }
    if ((c == '[' || c == '{') && open++ == depth) return static_cast<int64_t>(at);
    if (c == ']' || c == '}') --open;
    ++at;
  }
  return static_cast<int64_t>(text.size());
}

}  // namespace strata
