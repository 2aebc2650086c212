#pragma once
// A model of a small config with a generator, and helpers that feed it.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/decode/cpu_generator.h"
#include "model/decode/cpu_model.h"
#include "tests/model/decode/test_model.h"

namespace strata {

template <typename T>
struct Bench {
  explicit Bench(const ModelConfig& model_config, int threads = 1,
                 uint64_t seed = 7)
      : config(model_config), weights(config, seed) {
    auto created = CpuModel<T>::Create(
        config, weights.Views(std::is_same_v<T, float> ? DType::kF32
                                                       : DType::kF64));
    EXPECT_TRUE(created.ok()) << created.status();
    model = *std::move(created);
    generator = NewGenerator(threads);
  }

  std::unique_ptr<CpuGenerator<T>> NewGenerator(int threads) const {
    return std::make_unique<CpuGenerator<T>>(model.get(), threads);
  }

  std::unique_ptr<Sequence> New(int64_t capacity) {
    auto sequence = generator->NewSequence(capacity);
    EXPECT_TRUE(sequence.ok()) << sequence.status();
    return *std::move(sequence);
  }

  // Feeds items[begin, end) in one step; logits after each.
  std::vector<std::vector<T>> Feed(Sequence* sequence,
                                   const std::vector<Item>& items,
                                   int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    std::vector<T> flat(n * config.vocab);
    const typename CpuGenerator<T>::ExactRow row{
        sequence, absl::MakeConstSpan(items).subspan(begin, n),
        absl::MakeSpan(flat)};
    const absl::Status status = generator->StepExact({row});
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::vector<T>> logits;
    for (int64_t i = 0; i < n; ++i) {
      logits.emplace_back(flat.begin() + i * config.vocab,
                          flat.begin() + (i + 1) * config.vocab);
    }
    return logits;
  }

  // One item at a time: the logits after each.
  std::vector<std::vector<T>> FeedSingly(Sequence* sequence,
                                         const std::vector<Item>& items,
                                         int64_t begin, int64_t end) {
    std::vector<std::vector<T>> logits;
    for (int64_t i = begin; i < end; ++i) {
      logits.push_back(Feed(sequence, items, i, i + 1)[0]);
    }
    return logits;
  }

  ModelConfig config;
  TestWeights weights;
  std::shared_ptr<const CpuModel<T>> model;
  std::unique_ptr<CpuGenerator<T>> generator;
};

template <typename T>
double MaxDifference(const std::vector<T>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double max = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double(a[i]) - b[i]);
    max = d <= max ? max : d;  // a NaN stays
  }
  return max;
}

// 2e-4 of logits that range over 6. Of 300 random configs, some with logits that
// range over 20, the worst was seen at 1.5e-4 of that; in double all are within 1e-12.
inline double FloatTolerance(const Rows& want) {
  double largest = 6;
  for (const auto& row : want) {
    for (const double v : row) largest = std::max(largest, std::abs(v));
  }
  return 2e-4 * largest / 6;
}

class EveryConfig : public testing::TestWithParam<NamedConfig> {};

inline std::string ConfigName(const testing::TestParamInfo<NamedConfig>& info) {
  return info.param.name;
}

}  // namespace strata
