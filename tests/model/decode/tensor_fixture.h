#pragma once
// What the suites of the tensor executor share: a model of random weights, as it is or
// with recorded steps, beside the naive one.

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/decode/tensor/replay_step.h"
#include "model/decode/tensor/tensor_generator.h"
#include "model/decode/tensor/tensor_model.h"
#include "tests/model/decode/test_model.h"
#include "tests/testing/test_device.h"

namespace strata {

using testing::TestDevice;

inline constexpr double kExact = 1e-12;

struct Case {
  std::string name;
  ModelConfig config;
  bool replayed = false;  // steps of one item are recorded
};

inline void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Every config as it is, and recorded where that is covered; or one of the two.
inline std::vector<Case> Cases(std::optional<bool> replayed = std::nullopt) {
  std::vector<Case> cases;
  for (const NamedConfig& named : SmallConfigs()) {
    if (replayed != true) cases.push_back({named.name, named.config});
    if (replayed != false && ReplayPieces::Covers(named.config)) {
      cases.push_back({named.name + "_replayed", named.config, true});
    }
  }
  return cases;
}

class TensorTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    Use(GetParam().config, torch::kDouble);
  }

  void Use(const ModelConfig& new_config, torch::ScalarType type) {
    config = new_config;
    weights = std::make_unique<TestWeights>(config, 7);
    const DType stored = type == torch::kDouble ? DType::kF64 : DType::kF32;
    auto created = TensorModel::Create(config, weights->Views(stored),
                                       {TestDevice()}, type);
    ASSERT_TRUE(created.ok()) << created.status();
    generator.reset();
    model = *created;
    if (GetParam().replayed) {
      const absl::Status started = model->replica(0).StartReplay(CallAgain(), {0, 4, 16});
      ASSERT_TRUE(started.ok()) << started;
    }
    generator = std::make_unique<TensorGenerator>(&model->replica(0), 1);
  }

  std::unique_ptr<Sequence> New(int64_t capacity) {
    auto sequence = generator->NewSequence(capacity);
    EXPECT_TRUE(sequence.ok()) << sequence.status();
    return *std::move(sequence);
  }

  // Feeds items[begin, end); the logits after each, [end - begin, V] in double.
  torch::Tensor Feed(Sequence* sequence, const std::vector<Item>& items,
                     int64_t begin, int64_t end) {
    std::vector<float> room((end - begin) * config.vocab);
    auto logits = generator->StepExact(
        {{sequence, absl::MakeConstSpan(items).subspan(begin, end - begin),
          absl::MakeSpan(room)}});
    EXPECT_TRUE(logits.ok()) << logits.status();
    return logits->to(torch::kDouble);
  }

  // [T + 1, V] by the naive model; row t predicts item t.
  torch::Tensor Want(const std::vector<Item>& items) {
    return TensorOf(NaiveLogits(config, *weights, items));
  }

  torch::Tensor TensorOf(const Rows& rows) {
    auto all = torch::empty({static_cast<int64_t>(rows.size()), config.vocab},
                            torch::kDouble);
    for (size_t t = 0; t < rows.size(); ++t) {
      std::copy(rows[t].begin(), rows[t].end(),
                all.data_ptr<double>() + t * config.vocab);
    }
    return all;
  }

  static double Distance(const torch::Tensor& a, const torch::Tensor& b) {
    EXPECT_EQ(a.sizes(), b.sizes());
    const double d = (a - b).abs().max().item<double>();
    return std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
  }

  ModelConfig config;
  std::unique_ptr<TestWeights> weights;
  std::shared_ptr<const TensorModel> model;
  std::unique_ptr<TensorGenerator> generator;
};

inline std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

}  // namespace strata
