// Where all keys are alike, a memory of neighbours chooses the newest.

#include <algorithm>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "model/decode/cpu_generator.h"
#include "model/decode/cpu_model.h"
#include "tests/model/decode/test_model.h"
#include "tests/model/knn_config.h"

namespace strata {
namespace {

constexpr int kWindow = 5;
constexpr int kNeighbours = 3;
constexpr int64_t kItems = 60;

// One layer, whose keys are nothing.
class AlikeKeys : public ::testing::Test {
 protected:
  AlikeKeys() {
    config_.architecture = "alike";
    config_.max_context = 4096;
    LevelConfig level = testing::StackLevel(24, 2, 0);
    level.enc_layers = 0;
    level.window = kWindow;
    config_.levels = {
        testing::WithNeighbours(level, 1, 20, kNeighbours, KnnGate::kContext)};
    config_.reach = kWindow - 1;
    const TestWeights weights(config_, 7);
    const std::string name = "level.0.dec.0.attn.qkv.weight";
    auto views = weights.Views(DType::kF64);
    std::vector<double> qkv = weights.at(name);
    std::fill_n(qkv.begin() + 24 * 24, 24 * 24, 0.0);
    views.at(name).data =
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(qkv.data()),
                            qkv.size() * sizeof(double));
    model_ = *CpuModel<double>::Create(config_, views);
  }

  // After the last item.
  std::vector<double> Logits(const std::vector<Item>& items) {
    CpuGenerator<double> generator(model_.get(), 1);
    auto sequence = *generator.NewSequence(kItems);
    std::vector<double> logits(config_.vocab);
    EXPECT_TRUE(
        generator.StepExact({{sequence.get(), items, absl::MakeSpan(logits)}}).ok());
    return logits;
  }

  ModelConfig config_;
  std::shared_ptr<const CpuModel<double>> model_;
};

// Context i stands on item i - 1, so the window and the neighbours of the last one are
// the last items.
TEST_F(AlikeKeys, TheNewestAreChosen) {
  const auto items = RandomItems(kItems, 3);
  const auto want = Logits(items);
  for (int age = 1; age <= kWindow + 20; ++age) {
    auto other = items;
    Item& changed = other[kItems - age];
    changed = (changed + 1) % 256;
    EXPECT_EQ(Logits(other) != want, age <= kWindow + kNeighbours) << age;
  }
}

}  // namespace
}  // namespace strata
