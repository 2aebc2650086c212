#pragma once
// A model of a small config with a generator, and helpers that feed it.

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/decode/cpu_generator.h"
#include "model/decode/cpu_model.h"
#include "tests/model/decode/test_model.h"
#include "tests/model/random_config.h"

namespace strata {

// A config, and in which types the executor keeps its keys and values.
struct TypedConfig : NamedConfig {
  CpuModelOptions types;
};

using NamedTypes = std::pair<std::string, CpuModelOptions>;
inline std::vector<NamedTypes> FullTypes() { return {{"", {}}}; }
inline std::vector<NamedTypes> AllTypes() {
  return {{"", {}},
          {"_kv_fp16", {WeightType::kFull, CacheType::kFp16}},
          {"_kv_bf16", {WeightType::kFull, CacheType::kBf16}},
          {"_bf16", {WeightType::kBf16, CacheType::kFull}},
          {"_int8_kv_fp16", {WeightType::kInt8, CacheType::kFp16}}};
}

// Every small config with the first choice of types. With the others, every config in
// the long suite; elsewhere each config with one of them, in turn; under a sanitizer, where
// everything takes many times as long, one in four of those, and of the first choice one in
// two.
inline std::vector<TypedConfig> Typed(const std::vector<NamedTypes>& choices) {
  const bool every = testing::InALongRun();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr size_t kPlainOneIn = 2, kOneIn = 4;
#else
  constexpr size_t kPlainOneIn = 1, kOneIn = 1;
#endif
  std::vector<TypedConfig> all;
  const std::vector<NamedConfig> configs = SmallConfigs();
  for (size_t c = 0; c < choices.size(); ++c) {
    const auto& [suffix, types] = choices[c];
    for (size_t i = 0; i < configs.size(); ++i) {
      const size_t others = choices.size() - 1;
      if (!every && c == 0 && i % kPlainOneIn != 0) continue;
      if (!every && c > 0 && (i % others != c - 1 || i / others % kOneIn != 0)) continue;
      all.push_back({{configs[i].name + suffix, configs[i].config}, types});
    }
  }
  return all;
}

// In double the types are always full.
template <typename T>
struct Bench {
  explicit Bench(const TypedConfig& typed)
      : Bench(typed.config, std::is_same_v<T, float> ? typed.types
                                                     : CpuModelOptions{}) {}
  explicit Bench(const ModelConfig& model_config,
                 const CpuModelOptions& types = {}, int threads = 1,
                 uint64_t seed = 7)
      : config(model_config), weights(config, seed) {
    auto created = CpuModel<T>::Create(
        config,
        weights.Views(std::is_same_v<T, float> ? DType::kF32 : DType::kF64),
        types);
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

// The weights that the executor computes with.
inline TestWeights KeptWeights(const TestWeights& weights, WeightType type) {
  if (type == WeightType::kFull) return weights;
  return weights.Rounded(type == WeightType::kBf16 ? 16 : 8);
}

// got[t], after item t, against want[t + 1] of the model of the weights as they are kept.
// Where rows of x are rounded too, these tiny random models magnify that here and there:
// then all logits together must agree (kernels_test.cc says how near one product is).
// Elsewhere each must, to what rounding keys and values costs: seen was 147 times the
// tolerance of fp32 with fp16, 2020 times with bf16. bf16 weights alone cost nothing.
inline void ExpectLogits(const TypedConfig& typed, const Kernels<float>& kernels,
                         const std::vector<std::vector<float>>& got,
                         const Rows& want) {
  double units = 1;
  for (const LevelConfig& level : typed.config.levels) {
    const CacheType cache = CpuSequence<float>::TypeOf(level, typed.types.cache);
    if (cache == CacheType::kFp16) units = std::max(units, 400.0);
    if (cache == CacheType::kBf16) units = std::max(units, 4000.0);
  }
  const bool rounds_x =
      kernels.products[static_cast<int>(typed.types.weights)].prepare != nullptr;
  if (Compares(typed.config) && (rounds_x || units > 1)) return;
  const double tolerance = units * FloatTolerance(want);
  // In a random config, a few numbers wide, a norm may meet a vector near 0 and magnify
  // what rounding did to it: 4 of 24460 cases went beyond these, in one item or two.
  const bool drawn = absl::StartsWith(typed.name, "random");
  size_t spared = drawn && !rounds_x && units > 1 ? 2 : 0;
  double error = 0, size = 0;
  for (size_t t = 0; t < got.size(); ++t) {
    const double difference = MaxDifference(got[t], want[t + 1]);
    if (!rounds_x && !(difference <= tolerance)) {
      ASSERT_TRUE(spared > 0 && difference <= 10 * tolerance)
          << difference << " in place of " << tolerance << " after item " << t << " of "
          << ModelConfigToJson(typed.config);
      --spared;
      continue;
    }
    for (size_t v = 0; v < got[t].size(); ++v) {
      const double difference = got[t][v] - want[t + 1][v];
      error += difference * difference;
      size += want[t + 1][v] * want[t + 1][v];
    }
  }
  ASSERT_LE(std::sqrt(error / size), drawn && rounds_x ? 0.2 : 0.1);
}

class EveryConfig : public ::testing::TestWithParam<TypedConfig> {};

inline std::string ConfigName(const ::testing::TestParamInfo<TypedConfig>& info) {
  return info.param.name;
}

}  // namespace strata
