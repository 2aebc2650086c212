#include "tests/model/decode/naive_position.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace strata {
namespace {

using naive::Vector;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t e = 0; e < a.size(); ++e) sum += a[e] * b[e];
  return sum;
}

double AlibiSlope(int head, int heads) {
  int power = 1;
  while (power * 2 <= heads) power *= 2;
  if (head < power) return std::pow(2.0, -8.0 / power * (head + 1));
  return std::pow(2.0, -8.0 / (2 * power) * (2 * (head - power) + 1));
}

}  // namespace

double NaiveScore(const LevelConfig& level, double theta, int head,
                  int64_t i, int64_t j, Vector q, Vector k) {
  const std::string name = level.position->name;
  const size_t width = q.size();
  const double root = std::sqrt(double(width));
  const int64_t distance = i - j;
  const int64_t span = level.position_span;
  if (name == "rope" || name == "xpos") {
    naive::Rotate(&q, i, theta);
    naive::Rotate(&k, j, theta);
  }
  if (name == "xpos") {
    for (size_t e = 0; e < width; ++e) {
      const size_t m = e % (width / 2);
      const double zeta = (2.0 * m / width + 0.4) / 1.4;
      q[e] *= std::pow(zeta, double(distance) / span);  // both factors at once
    }
  }
  const double score = Dot(q, k) / root;
  if (name == "alibi") {
    return score - AlibiSlope(head, level.heads) * double(std::abs(distance));
  }
  return score;
}

}  // namespace strata
