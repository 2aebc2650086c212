#pragma once
// Vectors of doubles and the formulas of model/README.md on them, loop by loop.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace strata::naive {

using Vector = std::vector<double>;

// y = W x, W [out, in].
inline Vector Times(const Vector& w, const Vector& x) {
  Vector y(w.size() / x.size());
  for (size_t o = 0; o < y.size(); ++o) {
    for (size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
  }
  return y;
}

inline Vector RmsNorm(const Vector& x, const Vector& weight) {
  double squares = 0;
  for (const double v : x) squares += v * v;
  const double scale = 1 / std::sqrt(squares / x.size() + 1e-5);
  Vector y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * weight[i];
  return y;
}

inline void Add(Vector* x, const Vector& y) {
  for (size_t i = 0; i < x->size(); ++i) (*x)[i] += y[i];
}

// Row [begin, begin + n) of x.
inline Vector Part(const Vector& x, size_t begin, size_t n) {
  return {x.begin() + begin, x.begin() + begin + n};
}

inline Vector MeanOfRows(const std::vector<Vector>& rows, size_t begin, size_t n) {
  Vector mean(rows[begin].size());
  for (size_t j = begin; j < begin + n; ++j) Add(&mean, rows[j]);
  for (double& x : mean) x /= double(n);
  return mean;
}

// Turns the pairs (m, m + K/2) by i * theta^(-2m/K).
inline void Rotate(Vector* x, int64_t i, double theta) {
  const size_t half = x->size() / 2;
  for (size_t m = 0; m < half; ++m) {
    const double a = double(i) * std::pow(theta, -2.0 * m / x->size());
    const double x0 = (*x)[m], x1 = (*x)[m + half];
    (*x)[m] = x0 * std::cos(a) - x1 * std::sin(a);
    (*x)[m + half] = x1 * std::cos(a) + x0 * std::sin(a);
  }
}

// softmax(scores) v of one head.
inline Vector Mixed(Vector p, const std::vector<Vector>& values) {
  const double max = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& v : p) sum += v = std::exp(v - max);
  Vector out(values[0].size());
  for (size_t j = 0; j < p.size(); ++j) {
    for (size_t d = 0; d < out.size(); ++d) out[d] += p[j] / sum * values[j][d];
  }
  return out;
}

// softmax(q k / sqrt(K)) v of one head.
inline Vector AttendOne(const Vector& q, const std::vector<Vector>& keys,
                        const std::vector<Vector>& values) {
  Vector p;
  for (const auto& k : keys) {
    double score = 0;
    for (size_t d = 0; d < q.size(); ++d) score += q[d] * k[d];
    p.push_back(score / std::sqrt(double(q.size())));
  }
  return Mixed(std::move(p), values);
}

}  // namespace strata::naive
