#pragma once
// What a unit of one output says: sigmoid(weight x + bias). Thread-safe.

#include <cmath>
#include <cstdint>

namespace strata {

// Of [dim] numbers; in one order of summation, whatever the batch.
template <typename T>
T Probability(const T* weight, T bias, const T* x, int64_t dim) {
  T sum = 0;
  for (int64_t d = 0; d < dim; ++d) sum += weight[d] * x[d];
  return T(1) / (T(1) + std::exp(-(sum + bias)));
}

}  // namespace strata
