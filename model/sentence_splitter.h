#pragma once
// From a text to its sentences, as ranges of bytes. The rule, in order:
//
//   end    after a line feed; or after a run of ".", "!", "?" and closing quotes
//          or brackets that follow it, where white space comes next
//   space  white space belongs to the sentence before it, at the start of a text
//          to the first one: a sentence is never blank unless the text is
//   cut    a sentence of more than `max_bytes` is cut: after the last white space
//          in its first `max_bytes`, else between two UTF-8 characters, else
//          (bytes that are no UTF-8) after exactly `max_bytes`
//
// It knows no abbreviations: "Mr. Smith" is two sentences. The ranges follow one
// another and cover the text: none is empty, none is longer than `max_bytes`.
// Thread-safe: a function of its input.

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/byte_range.h"

namespace strata {

// REQUIRES: max_bytes >= 4, which every UTF-8 character fits.
std::vector<ByteRange> SplitSentences(absl::string_view text,
                                      int64_t max_bytes);

}  // namespace strata
