#pragma once
// How the items of one level have their queries and keys turned and scaled by where
// they lie (model/position_scheme.h), from a RopeTable. Immutable after construction,
// thread-safe.

#include <cmath>
#include <cstdint>
#include <vector>

#include "model/decode/rope_table.h"
#include "model/model_config.h"
#include "model/position_shape.h"

namespace strata {

class TurnTable {
 public:
  TurnTable(const ModelConfig& config, int level);

  // Values that Fill writes: K, or 2 K where keys differ from queries.
  int64_t width() const { return key_offset_ + 2 * half_; }
  // Where the key's values begin: behind the query's, or where those do.
  int64_t key_offset() const { return key_offset_; }

  // out[0 .. K/2) = cosines, out[K/2 .. K) = sines for a query of item i; the key's
  // from key_offset() on.
  template <typename T>
  void Fill(int64_t i, T* out) const {
    if (!turns_) {
      for (int64_t m = 0; m < half_; ++m) out[m] = T(1), out[half_ + m] = T(0);
      return;
    }
    angles_.Fill(i, out);
    if (rates_.empty()) return;
    for (int64_t m = 0; m < 2 * half_; ++m) {
      const double power = rates_[m % half_] * static_cast<double>(i - centre_);
      out[key_offset_ + m] = static_cast<T>(out[m] * std::exp(-power));
      out[m] = static_cast<T>(out[m] * std::exp(power));
    }
  }

  // What turns and scales a key of item i into one of item i + steps, as Fill lays out
  // those of keys.
  template <typename T>
  void FillFurther(int64_t steps, T* out) const {
    if (!turns_) {
      for (int64_t m = 0; m < half_; ++m) out[m] = T(1), out[half_ + m] = T(0);
      return;
    }
    angles_.Fill(steps, out);
    for (int64_t m = 0; !rates_.empty() && m < 2 * half_; ++m) {
      out[m] *= static_cast<T>(std::exp(-rates_[m % half_] * static_cast<double>(steps)));
    }
  }

 private:
  bool turns_;
  int64_t half_;
  RopeTable angles_;
  std::vector<double> rates_;  // ScaleRates
  int64_t centre_;
  int64_t key_offset_;
};

}  // namespace strata
