#pragma once
// A Tokenizer of given pieces without a library: at each byte the longest piece that
// fits.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/tokenizer.h"
#include "model/unit_rule.h"

namespace strata::testing {

class ToyTokenizer final : public Tokenizer {
 public:
  explicit ToyTokenizer(std::vector<std::string> pieces) : Tokenizer(Sorted(&pieces)) {}

  absl::string_view kind() const override { return "bpe"; }
  const std::string& file() const override { return file_; }
  void EncodeSegment(absl::string_view text,
                     std::vector<Item>* items) const override {
    while (!text.empty()) {
      Item best = static_cast<uint8_t>(text[0]);
      for (Item item = kVocab; item < vocab(); ++item) {
        const absl::string_view bytes = BytesOf(item);
        const bool fits = text.substr(0, bytes.size()) == bytes;
        if (fits && bytes.size() > BytesOf(best).size()) best = item;
      }
      items->push_back(best);
      text.remove_prefix(BytesOf(best).size());
    }
  }

 private:
  static const std::vector<std::string>& Sorted(std::vector<std::string>* pieces) {
    std::stable_sort(pieces->begin(), pieces->end(), [](auto& a, auto& b) {
      return PieceClass(a) < PieceClass(b);
    });
    return *pieces;
  }

  const std::string file_ = "toy";
};

}  // namespace strata::testing
