#include "model/sentence_splitter.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace strata {
namespace {

bool IsSpace(char c) {
  return absl::ascii_isspace(static_cast<unsigned char>(c));
}
bool IsTerminator(char c) { return c == '.' || c == '!' || c == '?'; }
bool IsCloser(char c) {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}';
}
bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

size_t SkipSpace(absl::string_view text, size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

// Past the sentence that begins at `begin`, its white space included.
size_t SentenceEnd(absl::string_view text, size_t begin) {
  size_t at = SkipSpace(text, begin);
  while (at < text.size()) {
    const char c = text[at++];
    if (c == '\n') return SkipSpace(text, at);
    if (!IsTerminator(c)) continue;
    while (at < text.size() && IsTerminator(text[at])) ++at;
    while (at < text.size() && IsCloser(text[at])) ++at;
    if (at == text.size() || IsSpace(text[at])) return SkipSpace(text, at);
  }
  return at;
}

// Where the first piece of text [begin, end), which is too long, ends.
size_t CutAt(absl::string_view text, size_t begin, size_t max_bytes) {
  const size_t limit = begin + max_bytes;
  for (size_t at = limit; at > begin + 1; --at) {
    if (IsSpace(text[at - 1])) return at;
  }
  size_t at = limit;
  while (at > begin && limit - at < 4 && IsContinuation(text[at])) --at;
  return at == begin || IsContinuation(text[at]) ? limit : at;
}

}  // namespace

std::vector<ByteRange> SplitSentences(absl::string_view text,
                                      int64_t max_bytes) {
  const size_t limit = static_cast<size_t>(max_bytes);
  std::vector<ByteRange> ranges;
  const auto add = [&](size_t begin, size_t end) {
    ranges.push_back(
        {static_cast<int64_t>(begin), static_cast<int64_t>(end)});
  };
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = SentenceEnd(text, begin);
    while (end - begin > limit) {
      const size_t cut = CutAt(text, begin, limit);
      add(begin, cut);
      begin = cut;
    }
    add(begin, end);
    begin = end;
  }
  return ranges;
}

}  // namespace strata
