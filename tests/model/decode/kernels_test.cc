// The kernels' own promises, on every instruction set of this machine: what is stored
// in 16 bits is the nearest value, and a product's row is the same in every batch.

#include "model/decode/kernels.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "model/base/random.h"
#include "model/decode/weight_panels.h"

namespace strata {
namespace {

class KernelsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    setenv("STRATA_CPU_ISA", GetParam(), 1);
    kernels_ = &SelectKernels<float>();
    unsetenv("STRATA_CPU_ISA");
    if (kernels_->name != std::string(GetParam())) GTEST_SKIP() << "not on this CPU";
  }

  uint16_t Put(float value, CacheType type) const {
    uint16_t bits = 0;
    kernels_->put(&value, 1, type, &bits, 1);
    return bits;
  }
  std::vector<float> TakeAll(CacheType type) const {
    std::vector<uint16_t> bits(1 << 16);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
    std::vector<float> values(bits.size());
    kernels_->take(bits.data(), 1, type, values.size(), values.data());
    return values;
  }

  const Kernels<float>* kernels_ = nullptr;
};

// Exponent 0 and 31 (255) aside: sign, size = (1 + m / 2^bits) 2^(e - bias).
TEST_P(KernelsTest, SixteenBitsAreTheNumbersOfTheirFormat) {
  const std::vector<float> fp16 = TakeAll(CacheType::kFp16);
  const std::vector<float> bf16 = TakeAll(CacheType::kBf16);
  for (int i = 0; i < 1 << 16; ++i) {
    const double sign = i < 0x8000 ? 1 : -1;
    const int e = i >> 10 & 31, m = i & 1023;
    if (e < 31) {
      const double size = e == 0 ? std::ldexp(m, -24) : std::ldexp(1024 + m, e - 25);
      ASSERT_EQ(fp16[i], sign * size) << i;
    }
    const uint32_t word = static_cast<uint32_t>(i) << 16;
    ASSERT_EQ(std::memcmp(&bf16[i], &word, 4), 0) << i;
  }
}

TEST_P(KernelsTest, PutIsTheNearestAndVectorsRoundAsSingleValuesDo) {
  for (const CacheType type : {CacheType::kFp16, CacheType::kBf16}) {
    std::vector<float> values;
    for (int i = 0; i < 20000; ++i) {
      const double size = std::ldexp(1 + RandomUniform(5, 0, i), -30 + i % 46);
      values.push_back(static_cast<float>(i % 2 == 0 ? size : -size));
    }
    std::vector<float> grid;  // finite ones, and ties between neighbours
    for (const float v : TakeAll(type)) {
      if (std::isfinite(v) && std::abs(v) < 60000) grid.push_back(v);
    }
    for (size_t i = 0; i + 1 < grid.size(); ++i) {
      values.push_back(grid[i]);
      values.push_back((grid[i] + grid[i + 1]) / 2);
    }
    std::vector<uint16_t> packed(values.size());
    kernels_->put(values.data(), values.size(), type, packed.data(), 1);
    std::vector<float> back(values.size());
    kernels_->take(packed.data(), 1, type, back.size(), back.data());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(packed[i], Put(values[i], type)) << values[i];
      const uint16_t up = packed[i] + 1, down = packed[i] - 1;
      float above, below;
      kernels_->take(&up, 1, type, 1, &above);
      kernels_->take(&down, 1, type, 1, &below);
      const double error = std::abs(double(back[i]) - values[i]);
      for (const float other : {above, below}) {
        if (!std::isfinite(other)) continue;
        const double rival = std::abs(double(other) - values[i]);
        ASSERT_LE(error, rival) << values[i];
        if (error == rival && packed[i] != 0 && packed[i] != 0x8000) {
          ASSERT_EQ(packed[i] % 2, 0) << values[i];
        }
      }
    }
  }
}

TEST_P(KernelsTest, Fp16SaturatesAndNoNumberStaysNone) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Put(1e30f, CacheType::kFp16), 0x7BFF);
  EXPECT_EQ(Put(-inf, CacheType::kFp16), 0xFBFF);
  for (const CacheType type : {CacheType::kFp16, CacheType::kBf16}) {
    const uint16_t bits = Put(std::nanf(""), type);
    const int mantissa = type == CacheType::kFp16 ? 10 : 7;
    EXPECT_EQ((bits & 0x7FFF) >> mantissa, 0x7FFF >> mantissa);
    EXPECT_NE(bits & ((1 << mantissa) - 1), 0);
  }
}

// x [m][k] and a matrix [n][k].
struct Problem {
  int64_t m, k, n;
  std::vector<float> x, w;

  Problem(int64_t rows, int64_t in, int64_t out) : m(rows), k(in), n(out) {
    for (int64_t i = 0; i < m * k; ++i) {
      x.push_back(static_cast<float>(2 * RandomUniform(1, k, i) - 1));
    }
    for (int64_t i = 0; i < n * k; ++i) {
      w.push_back(static_cast<float>(2 * RandomUniform(2, k, i) - 1));
    }
  }

  std::vector<float> Multiply(const Kernels<float>& kernels, WeightType type,
                              int64_t first, int64_t rows,
                              Epilogue epilogue = Epilogue::kStore) const {
    const int64_t panels = PaddedWidth(n) / kPanel;
    std::vector<uint8_t> packed(panels * PanelBytes(type, k, sizeof(float)));
    PackPanels(w.data(), n, k, type, packed.data());
    const Product<float>& product = kernels.products[static_cast<int>(type)];
    const void* from = x.data() + first * k;
    int64_t bytes = k * static_cast<int64_t>(sizeof(float));
    std::vector<uint8_t> prepared;
    if (product.prepare != nullptr) {
      bytes = product.row_bytes(k);
      prepared.assign(rows * bytes, 0xFF);
      product.prepare(x.data() + first * k, k, rows, k, prepared.data());
      from = prepared.data();
    }
    std::vector<float> y(rows * panels * kPanel, 0.3f);
    product.matmul(from, bytes, rows, packed.data(), k, panels, y.data(),
                   panels * kPanel, epilogue);
    return y;
  }
};

constexpr WeightType kAllWeights[] = {WeightType::kFull, WeightType::kBf16,
                                      WeightType::kInt8};

TEST_P(KernelsTest, ARowOfAProductIsTheSameInEveryBatch) {
  for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kGelu,
                                  Epilogue::kRelu}) {
    for (const WeightType type : kAllWeights) {
      for (const int64_t k : {1, 2, 3, 5, 31, 64, 67, 130}) {
        const Problem problem(17, k, 150);
        const int64_t width = PaddedWidth(problem.n);
        const auto all = problem.Multiply(*kernels_, type, 0, 17, epilogue);
        for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 12}) {
          const auto some = problem.Multiply(*kernels_, type, 17 - m, m, epilogue);
          for (int64_t r = 0; r < m; ++r) {
            ASSERT_EQ(std::memcmp(some.data() + r * width,
                                  all.data() + (17 - m + r) * width,
                                  problem.n * sizeof(float)),
                      0)
                << "k " << k << ", row " << r << " of " << m;
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, AProductIsNearTheTruth) {
  for (const WeightType type : kAllWeights) {
    for (const int64_t k : {1, 2, 3, 5, 31, 64, 67, 130}) {
      const Problem problem(17, k, 150);
      const int64_t width = PaddedWidth(problem.n);
      const auto y = problem.Multiply(*kernels_, type, 0, problem.m);
      for (int64_t r = 0; r < problem.m; ++r) {
        for (int64_t c = 0; c < problem.n; ++c) {
          double want = 0;
          for (int64_t i = 0; i < k; ++i) {
            want += double(problem.x[r * k + i]) * problem.w[c * k + i];
          }
          const double tolerance = type == WeightType::kFull ? 1e-5 : 0.02;
          ASSERT_NEAR(y[r * width + c], want, tolerance * std::sqrt(double(k)));
        }
      }
    }
  }
}

// A fault of one stream is seen in its logits, and in no other's.
TEST_P(KernelsTest, WhatIsNoNumberStaysInItsRow) {
  for (const WeightType type : kAllWeights) {
    Problem problem(8, 70, 64);
    const auto clean = problem.Multiply(*kernels_, type, 0, 8);
    problem.x[3 * 70 + 69] = std::nanf("");
    const auto y = problem.Multiply(*kernels_, type, 0, 8);
    for (int64_t i = 0; i < 8 * 64; ++i) {
      if (i / 64 == 3) {
        ASSERT_TRUE(std::isnan(y[i]));
      } else {
        ASSERT_EQ(y[i], clean[i]);
      }
    }
  }
}

// Whole numbers are summed exactly: int8 products differ by nothing but the rounding of
// x, which is the same where multiply-adds are fused.
TEST_P(KernelsTest, Int8ProductsHardlyDependOnTheInstructionSet) {
  const Problem problem(5, 130, 150);
  setenv("STRATA_CPU_ISA", "baseline", 1);
  const Kernels<float>& baseline = SelectKernels<float>();
  unsetenv("STRATA_CPU_ISA");
  const auto want = problem.Multiply(baseline, WeightType::kInt8, 0, 5);
  const auto got = problem.Multiply(*kernels_, WeightType::kInt8, 0, 5);
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 0.02);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, KernelsTest,
                         ::testing::Values("baseline", "avx2", "avx512", "avx512vnni",
                                         "avx512bf16"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace strata
