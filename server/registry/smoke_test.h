#pragma once
// The last gate before a version goes live: it must generate, or classify. Four short prompts
// are each continued greedily by 32 items, with what the neighbours of its datastore say
// where it has one; a logit that is no number refuses the version. Blocks for as long as
// that takes; thread-safe.

#include "absl/status/status.h"
#include "model/chat_template.h"
#include "model/classifier.h"
#include "model/generator.h"
#include "model/neighbours.h"
#include "model/tokenizer.h"

namespace strata {

// FAILED_PRECONDITION says at which prompt and item; errors of the generator's
// memory pass through.
absl::Status SmokeTest(const LoadedModel& model, const Tokenizer& tokenizer,
                       TemplateKind kind, const Neighbours* neighbours = nullptr);

// The same four texts get probabilities that are numbers and sum to 1.
// FAILED_PRECONDITION says for which text they do not.
absl::Status SmokeTest(const Classifier& classifier);

}  // namespace strata
