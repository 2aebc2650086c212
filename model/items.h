#pragma once
// The vocabulary: an item is a byte, one of four specials, or, in a model with a
// tokeniser, one of its pieces, each of which stands for the same few bytes always
// (model/tokenizer.h).

#include <cstdint>

namespace strata {

using Item = int32_t;

inline constexpr Item kSos = 256;  // starts every document
inline constexpr Item kEos = 257;  // ends a document or an assistant's turn
inline constexpr Item kSep = 258;  // ends a prompt, a user's or a system turn
inline constexpr Item kPad = 259;  // fills the last block; never predicted
inline constexpr int kVocab = 260;  // of a model on bytes; the first piece
// Marks in training data leave 15 bits (model/training_document.h).
inline constexpr int kMaxVocab = 1 << 15;

inline constexpr bool IsByte(Item item) { return item >= 0 && item < 256; }
inline constexpr bool IsPiece(Item item) { return item >= kVocab; }
// Stands for bytes of a text.
inline constexpr bool IsText(Item item) { return IsByte(item) || IsPiece(item); }

}  // namespace strata
