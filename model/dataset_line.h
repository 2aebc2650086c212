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

// Whether a text that is no JSONL could be JSON all the same: cheap, says yes too
// often.
bool MayBeginJson(absl::string_view text);

// The fault of a text that begins with a JSON object, or with a JSON array whose
// first element is one: other JSON, and prose in brackets, is text. `line` is the
// caller's.
std::optional<DatasetError> FindJsonDocument(absl::string_view text);

// Fills `document`, or returns the fault (its `line` is the caller's).
// REQUIRES: kind is not kText.
std::optional<DatasetError> ParseDatasetLine(absl::string_view line,
                                             TemplateKind kind,
                                             Document* document);

}  // namespace strata
