// The recipe by which small models are compared: tiny Shakespeare, first 90 %
// for training, 1500 steps of 8 rows of 256 items, AdamW at 1e-3 with a cosine,
// width 128. The gate has two sides: a loss that is too good is a leak.

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "tests/model/train/train_documents.h"
#include "tests/model/train/train_fixture.h"

namespace strata {
namespace {

double Recipe(const std::string& preset, const std::string& text) {
  testing::TempDir dir;
  TrainRun run = testing::PresetRun(dir.path(), preset, 1500);
  run.spec.learning_rate = 1e-3;
  TrainedModel model = testing::TrainOnDocuments(
      run, {TextDocument(text.substr(0, text.size() / 10 * 9), false)}, true);
  const double nats = testing::WindowNats(&model, text);
  std::cout << "tiny Shakespeare, 1500 steps: " << preset << " " << nats
            << " nats" << std::endl;
  return nats;
}

TEST(Recipe, BlockLandsInItsGateWithFlatAndTreeBesideIt) {
  const std::string text = testing::TinyShakespeare();
  if (text.empty()) {
    GTEST_SKIP() << "SKIPPED: no tinyshakespeare/input.txt.xz (or no xz) under "
                    "$STRATA_SHARED_DATA";
  }
  const double block = Recipe("block", text);
  EXPECT_GE(block, 1.45);
  EXPECT_LE(block, 1.80);
  const double flat = Recipe("flat", text);
  EXPECT_GE(flat, 1.40);
  EXPECT_LE(flat, 1.85);
  const double tree = Recipe("tree", text);
  EXPECT_GE(tree, 1.40);
  EXPECT_LE(tree, 1.85);
}

}  // namespace
}  // namespace strata
