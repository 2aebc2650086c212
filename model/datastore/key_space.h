#pragma once
// How keys are stored and compared: in bfloat16, padded with zeros, by squared Euclidean
// distance, as one sum whose order depends on the width alone. Pure functions.

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "model/key_width.h"

namespace strata {

// PaddedKey numbers, each rounded to the nearest bfloat16, ties to even. REQUIRES:
// finite numbers.
std::vector<uint16_t> StoredKey(absl::Span<const float> key);

// Of two stored keys of `padded` numbers.
float KeyDistance(const uint16_t* a, const uint16_t* b, int64_t padded);

}  // namespace strata
