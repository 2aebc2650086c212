#pragma once
// The words of a sentence as rows of a table: each word, and each with the one before it.
// A word is a run of letters, digits, apostrophes and bytes beyond ASCII, in small letters
// as far as ASCII goes. Pure functions, thread-safe.

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace strata {

// Appends rows in [0, buckets), word after word, each pair behind its second word.
void AppendWordRows(absl::string_view sentence, int64_t buckets,
                    std::vector<int64_t>* rows);

}  // namespace strata
