#pragma once
// A matrix in the order in which the kernels read it: panels of kPanel output columns,
// in the type in which its weights are kept. Of each panel
//   kFull  [in][kPanel]
//   kBf16  [ceil(in / 2)][kPanel] words of two weights, rounded to nearest
//   kInt8  [ceil(in / 4)][kPanel] words of four weights, then [kPanel] scales (float),
//          then [kPanel] sums of the weights, 128 times (int32). weight = byte * scale,
//          and a column's largest is 127.
// Zeros stand where there is no weight. Pure functions, thread-safe.

#include <cstdint>

#include "model/decode/kernels.h"

namespace strata {

// What a matrix takes up, padding aside.
int64_t MatrixBytes(WeightType type, int64_t out, int64_t in, int64_t scalar_bytes);

// `rows` [out][in]; `to`: ceil(out / kPanel) panels of PanelBytes. REQUIRES: kFull where
// T is double.
template <typename T>
void PackPanels(const T* rows, int64_t out, int64_t in, WeightType type, uint8_t* to);

extern template void PackPanels<float>(const float*, int64_t, int64_t, WeightType,
                                       uint8_t*);
extern template void PackPanels<double>(const double*, int64_t, int64_t, WeightType,
                                        uint8_t*);

}  // namespace strata
