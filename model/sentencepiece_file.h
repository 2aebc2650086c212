#pragma once
// A SentencePiece model's file, as far as we must look into it: which kind it is, and
// with its normalisation put aside. The file is a protobuf message (pieces 1, trainer
// 2, normaliser 3, self-test 4); its fields are walked here without a protobuf, since
// Debian ships no header for it. Pure functions.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strata {

struct SentencePieceFile {
  std::string kind;  // "bpe" or "unigram"
  // The file with a normaliser that changes nothing but spaces, which pieces write
  // as U+2581, and without the self-test, which is of the normaliser that was.
  std::string plain;
};

// INVALID_ARGUMENT: not such a message, or of another kind.
absl::StatusOr<SentencePieceFile> ReadSentencePieceFile(absl::string_view file);

}  // namespace strata
