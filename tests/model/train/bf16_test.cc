// Training with products in bfloat16: it learns what fp32 learns, and only training
// computes with it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/nn/linear.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

using testing::RecordingObserver;
using testing::ResultHash;
using testing::TempDir;
using testing::TinyRun;

// Half of the last of eight bits of mantissa.
constexpr double kRounding = 1.0 / 256;

TEST(Bf16Products, RoundWhatGoesInAndComesOutForwardAndBackward) {
  torch::manual_seed(1);
  Linear linear(64, 48);
  const auto weight = torch::randn({48, 64});
  const auto x = torch::randn({5, 7, 64});
  const auto run = [&](bool on) {
    linear->weight = weight.clone().requires_grad_();
    const auto in = x.clone().requires_grad_();
    torch::Tensor y;
    {
      const Bf16Products products(on);
      y = linear->forward(in);
    }
    y.square().sum().backward();
    return std::vector<torch::Tensor>{y.detach(), in.grad(), linear->weight.grad()};
  };
  const auto exact = run(false);
  const auto rounded = run(true);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(rounded[i].scalar_type(), torch::kFloat32);
    EXPECT_EQ(rounded[i].sizes(), exact[i].sizes());
    const double error = (rounded[i] - exact[i]).norm().item<double>() /
                         exact[i].norm().item<double>();
    EXPECT_LT(error, 2 * kRounding) << i;
    EXPECT_GT(error, kRounding / 64) << i << " was not rounded";
  }
}

TEST(Bf16Products, LeaveDoublesAlone) {
  Linear linear(16, 16);
  linear->weight = torch::randn({16, 16}, torch::kFloat64);
  const auto x = torch::randn({3, 16}, torch::kFloat64);
  const Bf16Products products(true);
  EXPECT_TRUE(linear->forward(x).equal(at::linear(x, linear->weight)));
}

struct Trained {
  std::string hash;
  double held_out_loss = 0;
};

Trained Train(bool bf16, int64_t steps, double learning_rate) {
  std::string text;
  while (text.size() < 20000) text += "a hierarchy of blocks, ";
  TempDir dir;
  TrainRun run = TinyRun(dir.path(), text);
  run.spec.steps = steps;
  run.spec.learning_rate = learning_rate;
  run.spec.dropout = 0;
  run.spec.bf16 = bf16;
  RecordingObserver observer;
  EXPECT_EQ(RunTraining(run, &observer), absl::OkStatus());
  EXPECT_EQ(observer.Warnings("NO_BF16_UNITS"), bf16 && !HasBf16Units() ? 1 : 0);
  return {ResultHash(run), observer.evals.back().loss};
}

TEST(Bf16Training, LearnsAsFp32Does) {
  const Trained exact = Train(false, 100, 5e-3);
  const Trained rounded = Train(true, 100, 5e-3);
  EXPECT_NE(rounded.hash, exact.hash);
  EXPECT_LT(rounded.held_out_loss, 0.5);
  EXPECT_NEAR(rounded.held_out_loss, exact.held_out_loss, 0.1);
}

// Steps too small to change a weight.
TEST(Bf16Training, EvaluatesInFp32) {
  const Trained exact = Train(false, 2, 1e-30);
  const Trained rounded = Train(true, 2, 1e-30);
  EXPECT_EQ(rounded.hash, exact.hash);
  EXPECT_EQ(rounded.held_out_loss, exact.held_out_loss);
}

}  // namespace
}  // namespace strata
