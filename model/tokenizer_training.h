#pragma once
// Trains a tokeniser of SentencePiece's on text. One thread, and a pure function of
// its input: the same text gives the same file.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

inline constexpr int64_t kLeastPieces = 256;
inline constexpr int64_t kMostPieces = 32000;
inline constexpr int64_t kDefaultPieces = 4096;

// "bpe" or "unigram"; `pieces` counts single characters, too.
absl::Status CheckTokenizerTraining(absl::string_view kind, int64_t pieces);

// The file for OpenTokenizer. `next` sets the next segment (SegmentBytes,
// model/tokenizer.h), which stays until the next call; false: there are no more. Of
// little text there are fewer pieces. INVALID_ARGUMENT: SentencePiece refuses, and
// why; errors of SentencePiecePlugin.
absl::StatusOr<std::string> TrainTokenizer(
    absl::string_view kind, int64_t pieces,
    const std::function<bool(absl::string_view*)>& next);

}  // namespace strata
