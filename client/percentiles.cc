#include "client/percentiles.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace strata {

void Percentiles::Add(double value) {
  values_.push_back(value);
  sorted_ = false;
}

void Percentiles::Merge(const Percentiles& other) {
  values_.insert(values_.end(), other.values_.begin(), other.values_.end());
  sorted_ = false;
}

double Percentiles::Mean() const {
  if (values_.empty()) return 0;
  return std::accumulate(values_.begin(), values_.end(), 0.0) /
         static_cast<double>(values_.size());
}

double Percentiles::At(double percent) const {
  if (values_.empty()) return 0;
  if (!sorted_) {
    std::sort(values_.begin(), values_.end());
    sorted_ = true;
  }
  // The subtraction keeps 0.9 * 10 = 9.000000000000002 from being rank 10.
  const double rank = std::ceil(percent / 100 * static_cast<double>(values_.size()) - 1e-9);
  const size_t index = rank < 1 ? 0 : static_cast<size_t>(rank) - 1;
  return values_[std::min(index, values_.size() - 1)];
}

}  // namespace strata
