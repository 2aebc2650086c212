#include "model/decode/rope_table.h"

#include <cmath>

namespace strata {
namespace {

std::vector<double> Rows(double theta, int64_t half, int64_t rows,
                         int64_t step) {
  std::vector<double> table(rows * 2 * half);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t m = 0; m < half; ++m) {
      const double angle =
          static_cast<double>(r * step) *
          std::pow(theta, -static_cast<double>(m) / static_cast<double>(half));
      table[(2 * r) * half + m] = std::cos(angle);
      table[(2 * r + 1) * half + m] = std::sin(angle);
    }
  }
  return table;
}

}  // namespace

RopeTable::RopeTable(double theta, int64_t head_dim, int64_t max_items)
    : half_(head_dim / 2),
      fine_(Rows(theta, half_, kStep, 1)),
      coarse_(Rows(theta, half_, max_items / kStep + 1, kStep)) {}

}  // namespace strata
