// Twenty kills at random moments.

#include <gtest/gtest.h>

#include "tests/model/train/kill_runs.h"

namespace strata {
namespace {

TEST(ResumeLong, TwentyRandomKillsEndInTheSameWeights) {
  testing::ExpectKillsChangeNothing(20, 7);
}

}  // namespace
}  // namespace strata
