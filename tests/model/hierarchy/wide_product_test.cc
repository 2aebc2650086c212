// Products through oneDNN: the numbers of the formula, forwards and backwards, and the
// same bits each time.

#include "model/nn/wide_product.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

struct Pass {
  torch::Tensor y, dx, dw;
};

// Of [2, 300, 97] items and a matrix to 160; in one type or another.
Pass RunProduct(torch::ScalarType type, bool wide) {
  auto generator = at::detail::createCPUGenerator(7);
  const auto draw = [&](at::IntArrayRef shape) {
    return torch::randn(shape, generator, torch::kFloat).to(type);
  };
  auto x = draw({2, 300, 97}).requires_grad_(true);
  auto weight = draw({160, 97}).requires_grad_(true);
  const auto towards = draw({2, 300, 160});
  const auto y = wide ? WideProduct(x, weight) : at::linear(x, weight);
  (y * towards).sum().backward();
  return {y.detach(), x.grad(), weight.grad()};
}

class WideProductTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!SuitsWideProduct(torch::zeros({600, 97}), torch::zeros({160, 97}))) {
      GTEST_SKIP() << "no vectors of 64 bytes here, or a LibTorch without oneDNN";
    }
  }
};

TEST_F(WideProductTest, IsTheFormulaAndItsGradient) {
  const Pass found = RunProduct(torch::kFloat, true), want = RunProduct(torch::kDouble, false);
  EXPECT_EQ(found.y.sizes(), want.y.sizes());
  EXPECT_LT(Largest(found.y - want.y), 1e-4);
  EXPECT_LT(Largest(found.dx - want.dx), 1e-4);
  EXPECT_LT(Largest(found.dw - want.dw), 1e-3);
}

TEST_F(WideProductTest, RepeatsItsBits) {
  const Pass first = RunProduct(torch::kFloat, true);
  for (int i = 0; i < 5; ++i) {
    const Pass again = RunProduct(torch::kFloat, true);
    EXPECT_TRUE(at::equal(again.y, first.y));
    EXPECT_TRUE(at::equal(again.dx, first.dx));
    EXPECT_TRUE(at::equal(again.dw, first.dw));
  }
}

// Of ragged levels the number of rows depends on the text.
TEST_F(WideProductTest, ARowIsTheSameInBatchesOfEverySize) {
  torch::NoGradGuard no_grad;
  for (const int64_t width : {128, 512, 2048}) {
    const auto x = torch::randn({2000, width});
    const auto weight = torch::randn({384, width});
    const auto all = WideProduct(x, weight);
    for (int64_t rows = 256; rows < 2000; rows += 61) {
      const auto some = x.narrow(0, 0, rows).contiguous();
      ASSERT_TRUE(SuitsWideProduct(some, weight));
      ASSERT_TRUE(at::equal(WideProduct(some, weight), all.narrow(0, 0, rows)))
          << rows << " rows of " << width;
    }
  }
}

TEST_F(WideProductTest, WhatNeedsNoGradientGetsNone) {
  const auto x = torch::randn({600, 97});
  auto weight = torch::randn({160, 97}).requires_grad_(true);
  WideProduct(x, weight).sum().backward();
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(weight.grad().defined());
}

TEST(SuitsWideProduct, WantsFloatsAndEnoughOfThem) {
  const auto weight = torch::zeros({160, 97});
  EXPECT_FALSE(SuitsWideProduct(torch::zeros({2, 97}), weight));
  EXPECT_FALSE(SuitsWideProduct(torch::zeros({600, 97}, torch::kDouble), weight));
  EXPECT_FALSE(SuitsWideProduct(torch::zeros({600, 97}, torch::kBFloat16), weight));
}

}  // namespace
}  // namespace strata::testing
