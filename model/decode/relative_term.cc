#include "model/decode/relative_term.h"

#include <cmath>
#include <utility>

namespace strata {

template <typename T>
RelativeTerm<T>::RelativeTerm(const LevelConfig& level, double theta, Scope scope,
                              const LayerWeights<T>& layer,
                              const Kernels<T>& kernels)
    : dim_(level.dim),
      width_(level.dim / level.heads),
      rows_(DistanceRowsOf(level, scope)),
      kernels_(kernels) {
  const std::vector<T>& first = layer.position[0];
  if (level.position->relative == RelativeKeys::kLearned) {
    Pack(std::vector<double>(first.begin(), first.end()), 1);
    return;
  }
  const std::vector<double> vectors = Projected(first, theta);
  Pack(vectors, level.heads);
  shift_ = layer.position[1];
  const std::vector<T>& other = layer.position[2];
  for (int64_t h = 0; h < level.heads; ++h) {
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      double sum = 0;
      for (int64_t e = h * width_; e < (h + 1) * width_; ++e) {
        sum += (static_cast<double>(other[e]) - static_cast<double>(shift_[e])) *
               vectors[row * dim_ + e];
      }
      constant_.push_back(
          static_cast<T>(sum / std::sqrt(static_cast<double>(width_))));
    }
  }
}

template <typename T>
std::vector<double> RelativeTerm<T>::Projected(const std::vector<T>& matrix,
                                               double theta) const {
  std::vector<double> vectors(rows_.rows() * dim_);
  std::vector<double> sinusoids(dim_);
  std::vector<double> columns(dim_ * dim_);  // one after another: a loop of vectors
  for (int64_t e = 0; e < dim_; ++e) {
    for (int64_t i = 0; i < dim_; ++i) columns[i * dim_ + e] = matrix[e * dim_ + i];
  }
  const int64_t half = dim_ / 2;
  for (int64_t row = 0; row < rows_.rows(); ++row) {
    for (int64_t m = 0; m < half; ++m) {
      const double angle = static_cast<double>(rows_.low + row) *
                           std::pow(theta, -static_cast<double>(m) / half);
      sinusoids[m] = std::cos(angle);
      sinusoids[half + m] = std::sin(angle);
    }
    double* const out = vectors.data() + row * dim_;
    for (int64_t i = 0; i < dim_; ++i) {
      const double* const column = columns.data() + i * dim_;
      for (int64_t e = 0; e < dim_; ++e) out[e] += column[e] * sinusoids[i];
    }
  }
  return vectors;
}

template <typename T>
void RelativeTerm<T>::Pack(const std::vector<double>& vectors, int64_t tables) {
  for (int64_t t = 0; t < tables; ++t) {
    std::vector<T> table(PaddedWidth(rows_.rows()) * width_);
    for (int64_t row = 0; row < rows_.rows(); ++row) {
      for (int64_t e = 0; e < width_; ++e) {
        table[(row / kPanel * width_ + e) * kPanel + row % kPanel] =
            static_cast<T>(vectors[(row * tables + t) * width_ + e]);
      }
    }
    tables_.push_back(std::move(table));
  }
}

template <typename T>
const T* RelativeTerm<T>::query_shift(int head) const {
  return shift_.empty() ? nullptr : shift_.data() + head * width_;
}

template <typename T>
void RelativeTerm<T>::Fill(int head, const T* q, const Distances& distances,
                           T* scratch, T* out) const {
  const std::vector<T>& table = tables_[tables_.size() == 1 ? 0 : head];
  const int64_t padded = PaddedWidth(rows_.Row(distances.far) + 1);
  kernels_.products[static_cast<int>(WeightType::kFull)].matmul(
      q, 0, 1, table.data(), width_, padded / kPanel, scratch, padded,
      Epilogue::kStore);
  if (constant_.empty()) {
    for (int64_t n = 0; n < distances.count; ++n) {
      out[n] = scratch[rows_.Row(distances.at(n))];
    }
    return;
  }
  const T* constant = constant_.data() + head * rows_.rows();
  for (int64_t n = 0; n < distances.count; ++n) {
    const int64_t row = rows_.Row(distances.at(n));
    out[n] = scratch[row] + constant[row];
  }
}

template class RelativeTerm<float>;
template class RelativeTerm<double>;

}  // namespace strata
