// Tests, or a real trainer process: `strata_train_test trainer --run FILE …`, or
// `poisoned-trainer`, some of whose steps are not finite.

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "model/train/trainer_main.h"

namespace {

// Until training has gone back once, then twice. A function of the state: what is
// bad is bad in every attempt.
void Poison(const strata::TrainState& state, double* loss) {
  const int64_t rollbacks = state.non_finite.rollbacks;
  const int64_t begin = rollbacks == 0 ? 10 : 23;
  if (rollbacks < 2 && state.step >= begin && state.step < begin + 3) {
    *loss = std::numeric_limits<double>::quiet_NaN();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "trainer") return strata::TrainerMain(argc, argv);
  if (command == "poisoned-trainer") {
    return strata::TrainerMain(argc - 1, argv + 1, {.after_backward = Poison});
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
