#include "model/decode/choose_weights.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <utility>

#include "model/base/log.h"
#include "model/base/mutex.h"
#include "model/decode/aligned_buffer.h"
#include "model/decode/kernels.h"

namespace strata {
namespace {

constexpr int64_t kMostWeights = 16 << 20;
constexpr int kRounds = 5;
constexpr std::array<int64_t, 2> kRows = {1, 32};

// A square of the widest level's width, as often as it takes to hold the weights.
struct Shape {
  int64_t dim = 0;
  int64_t panels = 0;

  bool operator<(const Shape& other) const {
    return std::pair(dim, panels) < std::pair(other.dim, other.panels);
  }
};

Shape ShapeOf(const ModelConfig& config) {
  Shape shape;
  for (const LevelConfig& level : config.levels) {
    shape.dim = std::max<int64_t>(shape.dim, level.dim);
  }
  const int64_t weights = std::min(kMostWeights, ParameterCount(config));
  shape.panels = std::max<int64_t>(1, weights / (shape.dim * kPanel));
  return shape;
}

class Trial {
 public:
  Trial(WeightType type, const Shape& shape)
      : product_(SelectKernels<float>().products[static_cast<int>(type)]),
        shape_(shape) {
    const int64_t bytes = PanelBytes(type, shape.dim, sizeof(float)) * shape.panels;
    const int64_t width = PaddedWidth(shape.dim);
    ready_ = weights_.Reserve(bytes) && x_.Reserve(kRows.back() * width) &&
             y_.Reserve(kRows.back() * Share() * kPanel) &&
             (product_.prepare == nullptr ||
              rows_.Reserve(kRows.back() * product_.row_bytes(shape.dim)));
    if (!ready_) return;
    std::fill_n(weights_.data(), bytes, uint8_t{0});
    std::fill_n(x_.data(), kRows.back() * width, 1.0f);
  }

  bool ready() const { return ready_; }

  // Seconds of all products with m rows.
  double Run(int64_t m) {
    const auto begin = std::chrono::steady_clock::now();
    const int64_t width = PaddedWidth(shape_.dim);
    const int64_t panel_bytes = weights_.capacity() / shape_.panels;
    for (int64_t p = 0; p < shape_.panels; p += Share()) {
      const void* rows = x_.data();
      int64_t row_bytes = width * static_cast<int64_t>(sizeof(float));
      if (product_.prepare != nullptr) {
        product_.prepare(x_.data(), width, m, shape_.dim, rows_.data());
        rows = rows_.data();
        row_bytes = product_.row_bytes(shape_.dim);
      }
      product_.matmul(rows, row_bytes, m, weights_.data() + p * panel_bytes,
                      shape_.dim, std::min(Share(), shape_.panels - p), y_.data(),
                      Share() * kPanel, Epilogue::kStore);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
        .count();
  }

 private:
  // Panels of one product: what is prepared of x serves them all.
  int64_t Share() const { return std::max<int64_t>(1, shape_.dim / kPanel); }

  const Product<float>& product_;
  const Shape shape_;
  AlignedBuffer<uint8_t> weights_, rows_;
  AlignedBuffer<float> x_, y_;
  bool ready_ = false;
};

WeightType Measure(const Shape& shape) {
  Trial full(WeightType::kFull, shape), bf16(WeightType::kBf16, shape);
  if (!full.ready() || !bf16.ready()) return WeightType::kFull;
  std::array<double, kRows.size()> gains;
  for (size_t i = 0; i < kRows.size(); ++i) {
    double best_full = std::numeric_limits<double>::infinity();
    double best_bf16 = best_full;
    for (int round = 0; round < kRounds; ++round) {
      best_full = std::min(best_full, full.Run(kRows[i]));
      best_bf16 = std::min(best_bf16, bf16.Run(kRows[i]));
    }
    gains[i] = best_full / best_bf16;
  }
  const bool faster = gains[0] * gains[1] > 1;
  Log(Severity::kInfo, "speed of bf16 weights beside fp32",
      {{"width", shape.dim},
       {"one_row", gains[0]},
       {"32_rows", gains[1]},
       {"chosen", faster ? "bf16" : "fp32"}});
  return faster ? WeightType::kBf16 : WeightType::kFull;
}

}  // namespace

WeightType FastestWeights(const ModelConfig& config) {
  static Mutex mu;
  static auto* const known = new std::map<Shape, WeightType>;
  const Shape shape = ShapeOf(config);
  MutexLock lock(&mu);
  const auto it = known->find(shape);
  if (it != known->end()) return it->second;
  return known->emplace(shape, Measure(shape)).first->second;
}

}  // namespace strata
