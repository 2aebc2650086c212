#pragma once
// One line of JSONL as a training example, or the fault in it; and the UTF-8
// check that all formats share. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/chat_template.h"
#include "model/dataset.h"

namespace strata {

// Offset of the first byte that is not part of a valid UTF-8 sequence
// (shortest form, no surrogates, at most U+10FFFF); npos where all is well.
size_t FindInvalidUtf8(absl::string_view text);

// What the first line says the file is: kText unless it begins as a JSON object
// does ("{" and a quote). A broken object counts, so that a damaged file is
// refused with a reason and not learnt as plain text.
TemplateKind DetectKind(absl::string_view line);

// Fills `document`, or returns the fault (its `line` is the caller's).
// REQUIRES: kind is not kText.
std::optional<DatasetError> ParseDatasetLine(absl::string_view line,
                                             TemplateKind kind,
                                             Document* document);

}  // namespace strata
