#include "client/arrivals.h"

#include <algorithm>
#include <cmath>

#include "gtest/gtest.h"

namespace strata {
namespace {

TEST(ArrivalsTest, AreAPoissonProcessOfTheRate) {
  constexpr double kRate = 50;
  const std::vector<double> due = PoissonArrivals(kRate, 20000, 1);
  EXPECT_TRUE(std::is_sorted(due.begin(), due.end()));
  EXPECT_NEAR(due.back() * kRate / 20000, 1, 0.03);
  // Gaps are exponential: as many as e^-1 of them are longer than the mean, and their
  // deviation is their mean.
  double squares = 0;
  int64_t longer = 0;
  for (size_t i = 1; i < due.size(); ++i) {
    const double gap = (due[i] - due[i - 1]) * kRate;
    squares += (gap - 1) * (gap - 1);
    longer += gap > 1;
  }
  EXPECT_NEAR(std::sqrt(squares / 20000), 1, 0.05);
  EXPECT_NEAR(static_cast<double>(longer) / 20000, std::exp(-1.0), 0.02);
}

TEST(ArrivalsTest, AreAFunctionOfTheSeed) {
  EXPECT_EQ(PoissonArrivals(3, 100, 1), PoissonArrivals(3, 100, 1));
  EXPECT_NE(PoissonArrivals(3, 100, 1), PoissonArrivals(3, 100, 2));
  EXPECT_TRUE(PoissonArrivals(3, 0, 1).empty());
}

}  // namespace
}  // namespace strata
