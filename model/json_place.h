#pragma once
// Where a member stands in a JSON text: for messages with a column. Nothing is
// kept while a text is read; the few that have a fault are walked once more.
// Pure functions.

#include <cstdint>

#include "absl/strings/string_view.h"

namespace strata {

// The end of the value that begins at `at` (white space before it is skipped):
// one past its last byte, or npos where the text ends within it. Checks no more
// than strings and brackets need.
size_t JsonValueEnd(absl::string_view text, size_t at);

// Offset of the value at `path`, e.g. "messages[2].role", in `text`, which is one
// JSON value. Where it is not there: of the innermost object or array of the path
// that is.
int64_t JsonPlace(absl::string_view text, absl::string_view path);

// Offset of key number `index`, from 0, of all objects in the order of the text.
int64_t JsonKeyPlace(absl::string_view text, int64_t index);

// Offset of the first bracket that opens an array or object within `depth` others; the
// end of the text where there is none.
int64_t JsonDepthPlace(absl::string_view text, int64_t depth);

}  // namespace strata
