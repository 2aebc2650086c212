#pragma once
// The vocabulary of byte models: an item is a byte or one of four specials.

#include <cstdint>

namespace strata {

using Item = int32_t;

inline constexpr Item kSos = 256;  // starts every document
inline constexpr Item kEos = 257;  // ends a document or an assistant's turn
inline constexpr Item kSep = 258;  // ends a prompt, a user's or a system turn
inline constexpr Item kPad = 259;  // fills the last block; never predicted
inline constexpr int kVocab = 260;

inline constexpr bool IsByte(Item item) { return item >= 0 && item < 256; }

}  // namespace strata
