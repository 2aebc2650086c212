#include "tests/model/decode/naive_position.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace strata {
namespace {

using naive::Part;
using naive::Vector;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t e = 0; e < a.size(); ++e) sum += a[e] * b[e];
  return sum;
}

// [cos(x theta^(-2m/width)), sin(..)].
Vector Sinusoids(double x, size_t width, double theta) {
  Vector out(width);
  for (size_t m = 0; m < width / 2; ++m) {
    const double angle = x * std::pow(theta, -2.0 * m / width);
    out[m] = std::cos(angle);
    out[m + width / 2] = std::sin(angle);
  }
  return out;
}

double AlibiSlope(int head, int heads) {
  int power = 1;
  while (power * 2 <= heads) power *= 2;
  if (head < power) return std::pow(2.0, -8.0 / power * (head + 1));
  return std::pow(2.0, -8.0 / (2 * power) * (2 * (head - power) + 1));
}

}  // namespace

void AddLevelPosition(const LevelConfig& level, const AddTensor& add) {
  const std::string name = level.position->name;
  if (level.enc_layers + level.dec_layers == 0) return;
  if (name == "sinusoidal") add("position.gain", {level.dim}, 1);
  if (name == "learned") {
    add("position.rows", {level.position_span, level.dim}, 1);
  }
}

void AddLayerPosition(const LevelConfig& level, Scope scope,
                      const AddTensor& add) {
  const std::string name = level.position->name;
  const double narrow = 1 / std::sqrt(double(level.dim));
  if (name == "shaw") {
    const int rows = scope == Scope::kBidirBlock ? 2 * level.position_span + 1
                                                 : level.position_span + 1;
    add("position.key", {rows, level.dim / level.heads}, 1);
  }
  if (name == "transformer-xl") {
    add("position.key.weight", {level.dim, level.dim}, narrow);
    add("position.content", {level.dim}, 1);
    add("position.distance", {level.dim}, 1);
  }
  if (name == "distance-aware") {
    add("position.slope", {level.heads}, 0.3);
    add("position.offset", {level.heads}, 1);
  }
  if (name == "adaptive-span") add("position.span", {level.heads}, 0.5);
}

Vector NaiveEntrance(const LevelConfig& level, double theta, int64_t i,
                     const PositionWeight& weight) {
  const std::string name = level.position->name;
  const size_t d = level.dim;
  if (name == "sinusoidal") {
    Vector x = Sinusoids(double(i), d, theta);
    for (size_t e = 0; e < d; ++e) x[e] *= weight("position.gain")[e];
    return x;
  }
  if (name == "learned") {
    return Part(weight("position.rows"),
                std::min<int64_t>(i, level.position_span - 1) * d, d);
  }
  return Vector(d, 0.0);
}

double NaiveScore(const LevelConfig& level, double theta, Scope scope, int head,
                  int64_t i, int64_t j, Vector q, Vector k,
                  const PositionWeight& weight) {
  const std::string name = level.position->name;
  const size_t width = q.size();
  const double root = std::sqrt(double(width));
  const int64_t distance = i - j;
  const int64_t span = level.position_span;
  const int64_t clipped = std::clamp(distance, -span, span);
  if (name == "rope" || name == "xpos" || name == "adaptive-span") {
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
  if (name == "shaw") {
    const int64_t row =
        scope == Scope::kBidirBlock ? clipped + span : clipped;
    naive::Add(&k, Part(weight("position.key"), row * width, width));
  }
  const double score = Dot(q, k) / root;
  if (name == "alibi") {
    return score - AlibiSlope(head, level.heads) * double(std::abs(distance));
  }
  if (name == "transformer-xl") {
    const Vector all = naive::Times(
        weight("position.key.weight"),
        Sinusoids(double(clipped), level.dim, theta));
    Vector other = q;
    naive::Add(&q, Part(weight("position.content"), head * width, width));
    naive::Add(&other, Part(weight("position.distance"), head * width, width));
    return (Dot(q, k) + Dot(other, Part(all, head * width, width))) / root;
  }
  if (name == "distance-aware") {
    const double a = weight("position.slope")[head];
    const double b = weight("position.offset")[head];
    return std::max(score, 0.0) * (1 + std::exp(b)) /
           (1 + std::exp(b - a * double(std::abs(distance))));
  }
  if (name == "adaptive-span") {
    const double ramp = std::max(1, std::min(32, level.position_span / 8));
    const double z = level.position_span *
                     std::min(1.0, std::max(0.0, weight("position.span")[head]));
    const double shown = (ramp + z - double(std::abs(distance))) / ramp;
    return score + std::log(std::min(1.0, std::max(0.0, shown)));
  }
  return score;
}

}  // namespace strata
