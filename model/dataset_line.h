#pragma once
// One line of JSONL as a training example, or the fault in it. Pure functions.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/chat_template.h"
#include "model/dataset.h"

namespace strata {

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
