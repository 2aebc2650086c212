#pragma once
// Mean and percentiles of a set of measurements, all of them kept. Percentiles
// are nearest-rank: p90 is the smallest value that at least 90 % of the
// measurements do not exceed, so it is always one of them. Not thread-safe.

#include <cstddef>
#include <vector>

namespace strata {

class Percentiles {
 public:
  void Add(double value);
  void Merge(const Percentiles& other);

  size_t count() const { return values_.size(); }
  // 0 when empty.
  double Mean() const;
  // `percent` in (0, 100]; 0 when empty.
  double At(double percent) const;

 private:
  mutable std::vector<double> values_;
  mutable bool sorted_ = true;
};

}  // namespace strata
