#pragma once
// Opens libstrata_sentencepiece.so (model/sentencepiece/abi.h) from ../lib of the
// running program's folder, where the build and the bundle put it. Once a process;
// thread-safe.

#include "absl/status/statusor.h"
#include "model/sentencepiece/abi.h"

namespace strata {

// FAILED_PRECONDITION: it is not there, or cannot be opened, and why. Builds with a
// sanitizer have none: sanitizers refuse RTLD_DEEPBIND.
absl::StatusOr<const StrataSentencePieceApi*> SentencePiecePlugin();

}  // namespace strata
