// P5, P6, P9 for the tree presets in the tensor executor: LibTorch on the CPU
// against the differentiable model's full pass, across many carries.

#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <utility>

#include "gtest/gtest.h"
#include "model/decode/tensor/tensor_generator.h"
#include "model/decode/tensor/tensor_model.h"
#include "model/hierarchy/weights.h"
#include "model/presets.h"
#include "tests/model/decode/scaled_model.h"
#include "tests/model/decode/test_model.h"

namespace strata {
namespace {

// The presets above 30M parameters are left to the long tests.
std::vector<std::string> TreePresets() {
  std::vector<std::string> names;
  for (const std::string& name : PresetNames()) {
    const ModelConfig config = *PresetConfig(name);
    if (config.levels[0].dec_scope != Scope::kTree) continue;
    if (ParameterCount(config) < 30'000'000) names.push_back(name);
  }
  return names;
}

class TreePreset : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  // Two texts in one ragged batch: item by item, and in chunks of 7; after a
  // prompt of `prompt` items each.
  void ExpectIncrementalEqualsFull(torch::ScalarType type, int64_t n,
                                   int64_t prompt, double tolerance) {
    const ModelConfig config = *PresetConfig(GetParam());
    auto model = MakeModel(config, type);
    auto named = ToNamedTensors(*model);
    ASSERT_TRUE(named.ok());
    std::map<std::string, TensorView> views;
    for (const NamedTensor& t : named->views) views[t.name] = t.tensor;
    auto served = TensorModel::Create(config, views, {torch::kCPU}, type);
    ASSERT_TRUE(served.ok()) << served.status();
    TensorGenerator generator(&(*served)->replica(0), 1);
    const std::vector<std::vector<Item>> texts = {RandomItems(n, 1),
                                                  RandomItems(n, 2)};
    std::vector<torch::Tensor> want;
    std::vector<std::unique_ptr<Sequence>> sequences;
    for (const auto& text : texts) {
      torch::NoGradGuard no_grad;
      want.push_back(model->forward(
          torch::tensor(text, torch::kLong).unsqueeze(0))[0]);
      sequences.push_back(*generator.NewSequence(n));
      EXPECT_EQ(sequences.back()->bytes(),
                StateBytes(config, n, type == torch::kDouble ? 8 : 4));
    }
    std::vector<float> room(2 * n * config.vocab);
    const std::vector<int64_t> chunk = {1, 7};
    while (sequences[0]->size() < n || sequences[1]->size() < n) {
      std::vector<StepRow> rows;
      std::vector<torch::Tensor> expected;
      for (size_t i = 0; i < 2; ++i) {
        const int64_t at = sequences[i]->size();
        const int64_t count =
            std::min(at == 0 && prompt > 0 ? prompt : chunk[i], n - at);
        if (count == 0) continue;
        rows.push_back(
            {sequences[i].get(),
             absl::MakeConstSpan(texts[i]).subspan(at, count),
             absl::MakeSpan(room).subspan(i * n * config.vocab,
                                          count * config.vocab)});
        expected.push_back(want[i].slice(0, at + 1, at + count + 1));
      }
      const auto got = generator.StepExact(rows);
      ASSERT_TRUE(got.ok()) << got.status();
      const double worst =
          (*got - at::cat(expected)).abs().max().item<double>();
      ASSERT_LE(worst, tolerance) << "by item " << sequences[0]->size();
    }
  }
};

TEST_P(TreePreset, IncrementalEqualsFullInDouble) {
  ExpectIncrementalEqualsFull(torch::kDouble, 67, 0, 1e-12);
}

TEST_P(TreePreset, IncrementalEqualsFullInFloatAcrossManyCarries) {
  ExpectIncrementalEqualsFull(torch::kFloat, 600, 0, 1e-4);
}

TEST_P(TreePreset, StepsAfterAPromptEqualTheFullPass) {
  for (const int64_t prompt : {1, 15, 16, 17, 64, 127, 128}) {
    ExpectIncrementalEqualsFull(torch::kDouble, 131, prompt, 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Presets, TreePreset,
                         ::testing::ValuesIn(TreePresets()),
                         [](const ::testing::TestParamInfo<std::string>& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace strata
