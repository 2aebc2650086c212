#include "model/document/word_rows.h"

#include "absl/strings/ascii.h"
#include "model/document/row_hash.h"

namespace strata {
namespace {

bool InWord(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || absl::ascii_isalnum(byte) || c == '\'';
}

// Takes in the bytes of a word, the last one first.
void TakeWord(absl::string_view word, RowHash* hash) {
  for (auto c = word.rbegin(); c != word.rend(); ++c) {
    hash->Take(static_cast<uint8_t>(absl::ascii_tolower(static_cast<unsigned char>(*c))));
  }
}

}  // namespace

void AppendWordRows(absl::string_view sentence, int64_t buckets,
                    std::vector<int64_t>* rows) {
  absl::string_view before;
  for (size_t at = 0; at < sentence.size();) {
    size_t end = at;
    while (end < sentence.size() && InWord(sentence[end])) ++end;
    if (end == at) {
      ++at;
      continue;
    }
    const absl::string_view word = sentence.substr(at, end - at);
    RowHash hash;
    TakeWord(word, &hash);
    rows->push_back(hash.Among(buckets));
    if (!before.empty()) {
      hash.Take(' ');
      TakeWord(before, &hash);
      rows->push_back(hash.Among(buckets));
    }
    before = word;
    at = end;
  }
}

}  // namespace strata
