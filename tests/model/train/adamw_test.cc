// AdamW against its formula, gradient norms, clipping.

#include "model/train/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "model/train/grad_norm.h"

namespace strata {
namespace {

NamedParameter Parameter(const char* name, std::vector<int64_t> shape,
                         at::ScalarType type) {
  at::Tensor tensor =
      at::randn(shape, at::TensorOptions(type)).requires_grad_(true);
  return {name, tensor};
}

// Element by element, in double.
struct Reference {
  std::vector<double> w, m, v;

  void Step(const at::Tensor& grad, double lr, double decay, int64_t k) {
    const at::Tensor g = grad.to(at::kDouble).flatten().contiguous();
    for (size_t i = 0; i < w.size(); ++i) {
      const double gi = g.const_data_ptr<double>()[i];
      m[i] = 0.9 * m[i] + 0.1 * gi;
      v[i] = 0.95 * v[i] + 0.05 * gi * gi;
      w[i] -= lr * decay * w[i];
      const double mh = m[i] / (1 - std::pow(0.9, k));
      const double vh = v[i] / (1 - std::pow(0.95, k));
      w[i] -= lr * mh / (std::sqrt(vh) + 1e-8);
    }
  }
};

Reference ReferenceOf(const at::Tensor& tensor) {
  const at::Tensor t = tensor.detach().to(at::kDouble).flatten().contiguous();
  Reference r;
  r.w.assign(t.const_data_ptr<double>(),
             t.const_data_ptr<double>() + t.numel());
  r.m.assign(r.w.size(), 0);
  r.v.assign(r.w.size(), 0);
  return r;
}

double WorstError(const Reference& r, const at::Tensor& tensor) {
  const Reference now = ReferenceOf(tensor);
  double worst = 0;
  for (size_t i = 0; i < r.w.size(); ++i) {
    worst = std::max(worst, std::abs(r.w[i] - now.w[i]));
  }
  return worst;
}

TEST(AdamW, FollowsTheFormulaAndDecaysMatricesOnly) {
  at::manual_seed(3);
  for (const auto& [type, tolerance] :
       {std::pair{at::kDouble, 1e-14}, std::pair{at::kFloat, 2e-6}}) {
    std::vector<NamedParameter> parameters = {
        Parameter("matrix", {7, 13}, type), Parameter("norm", {37}, type)};
    std::vector<Reference> references = {ReferenceOf(parameters[0].tensor),
                                         ReferenceOf(parameters[1].tensor)};
    AdamW optimizer(parameters, {.weight_decay = 0.1});
    for (int64_t k = 1; k <= 10; ++k) {
      const double lr = 1e-2 / static_cast<double>(k);
      optimizer.ZeroGrad();
      for (size_t i = 0; i < parameters.size(); ++i) {
        at::Tensor& p = parameters[i].tensor;
        (p * at::randn_like(p)).sum().backward();
        references[i].Step(p.grad(), lr, i == 0 ? 0.1 : 0.0, k);
      }
      optimizer.Step(lr, k);
    }
    EXPECT_LT(WorstError(references[0], parameters[0].tensor), tolerance);
    EXPECT_LT(WorstError(references[1], parameters[1].tensor), tolerance);
  }
}

TEST(AdamW, StateIsNamedAndSharedAndResets) {
  std::vector<NamedParameter> parameters = {
      Parameter("a.weight", {3, 4}, at::kFloat)};
  AdamW optimizer(parameters, {});
  (parameters[0].tensor * 2).sum().backward();
  optimizer.Step(1e-3, 1);
  const auto state = optimizer.State();
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state[0].name, "exp_avg.a.weight");
  EXPECT_EQ(state[1].name, "exp_avg_sq.a.weight");
  EXPECT_NEAR(state[0].tensor[0][0].item<float>(), 0.2, 1e-6);
  EXPECT_NEAR(state[1].tensor[0][0].item<float>(), 0.2, 1e-6);
  optimizer.Reset();
  EXPECT_EQ(state[0].tensor.abs().sum().item<float>(), 0);
}

TEST(GradNorm, IsGlobalExactAndHonest) {
  std::vector<NamedParameter> parameters = {
      Parameter("a", {1000}, at::kFloat), Parameter("b", {3, 5}, at::kFloat),
      Parameter("c", {4}, at::kFloat)};
  parameters[0].tensor.mutable_grad() = at::full({1000}, 1e-4f);
  parameters[1].tensor.mutable_grad() = at::full({3, 5}, 3.0f);
  const double expected = std::sqrt(1000 * 1e-8 + 15 * 9.0);
  EXPECT_NEAR(GlobalGradNorm(parameters), expected, 1e-6);
  ClipGradients(parameters, GlobalGradNorm(parameters), 1.0);
  EXPECT_NEAR(GlobalGradNorm(parameters), 1.0, 1e-6);
  ClipGradients(parameters, 1.0, 2.0);  // below the limit: untouched
  EXPECT_NEAR(GlobalGradNorm(parameters), 1.0, 1e-6);
  parameters[1].tensor.mutable_grad()[2][4] =
      std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(GlobalGradNorm(parameters)));
}

TEST(GradNorm, FindsOneBadWeight) {
  std::vector<NamedParameter> parameters = {Parameter("a", {9}, at::kFloat)};
  EXPECT_TRUE(AllFinite(parameters));
  parameters[0].tensor.data()[8] = std::nanf("");
  EXPECT_FALSE(AllFinite(parameters));
}

}  // namespace
}  // namespace strata
