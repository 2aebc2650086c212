// Tests, or a real trainer process: `strata_train_test trainer --run FILE …`.

#include <gtest/gtest.h>

#include <string>

#include "model/train/trainer_main.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "trainer") {
    return strata::TrainerMain(argc, argv);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
