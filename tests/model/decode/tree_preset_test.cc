// P5, P6, P9 for the presets that the fused CPU executor does not cover: LibTorch
// on the CPU against the differentiable model's full pass, across many carries;
// and that the server's loader takes it for them.

#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "gtest/gtest.h"
#include "model/decode/cpu_covers.h"
#include "model/decode/load_model.h"
#include "model/decode/tensor/load_tensor_model.h"
#include "model/decode/tensor/tensor_generator.h"
#include "model/decode/tensor/tensor_model.h"
#include "model/hierarchy/weights.h"
#include "model/presets.h"
#include "model/version_dir.h"
#include "tests/model/decode/scaled_model.h"
#include "tests/model/decode/test_model.h"

namespace strata {
namespace {

// The presets above 30M parameters are left to the long tests.
std::vector<std::string> UncoveredPresets() {
  std::vector<std::string> names;
  for (const std::string& name : PresetNames()) {
    const ModelConfig config = *PresetConfig(name);
    if (CpuExecutorCovers(config).ok()) continue;
    if (ParameterCount(config) < 30'000'000) names.push_back(name);
  }
  return names;
}

class UncoveredPreset : public testing::TestWithParam<std::string> {
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

TEST_P(UncoveredPreset, IncrementalEqualsFullInDouble) {
  ExpectIncrementalEqualsFull(torch::kDouble, 67, 0, 1e-12);
}

TEST_P(UncoveredPreset, IncrementalEqualsFullInFloatAcrossManyCarries) {
  ExpectIncrementalEqualsFull(torch::kFloat, 600, 0, 1e-4);
}

TEST_P(UncoveredPreset, StepsAfterAPromptEqualTheFullPass) {
  for (const int64_t prompt : {1, 15, 16, 17, 64, 127, 128}) {
    ExpectIncrementalEqualsFull(torch::kDouble, 131, prompt, 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Presets, UncoveredPreset,
                         testing::ValuesIn(UncoveredPresets()),
                         [](const testing::TestParamInfo<std::string>& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(CpuCovers, NamesTheScope) {
  const absl::Status status = CpuExecutorCovers(*PresetConfig("tree"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("levels[0].dec_scope"), std::string::npos);
  EXPECT_TRUE(CpuExecutorCovers(*PresetConfig("block")).ok());
}

// Of one folder each: what the server's CPU loader takes.
TEST(CpuModelLoader, TakesTheExecutorThatCoversTheVersion) {
  const std::string parent = testing::TempDir() + "strata_cpu_loader_" +
                             std::to_string(getpid()) + "/";
  std::filesystem::create_directories(parent);
  for (const auto& [named, prefix] :
       {std::pair(SmallConfigs()[0], "cpu-"),
        std::pair(TreeConfigs()[0], "tensor-cpu")}) {
    auto writer = DirWriter::Create(parent + named.name, "test");
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(
        writer->WriteFile("config.json", ModelConfigToJson(named.config)).ok());
    const TestWeights weights(named.config, 7);
    std::vector<NamedTensor> tensors;
    for (const auto& [name, view] : weights.Views(DType::kF32)) {
      tensors.push_back({name, view});
    }
    ASSERT_TRUE(WriteSafetensors(writer->path() + "/model.safetensors",
                                 tensors, {})
                    .ok());
    ASSERT_TRUE(writer->Commit({}).ok());
    const auto model = CpuModelLoader()(parent + named.name);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->executor().rfind(prefix, 0), 0u)
        << (*model)->executor();
    EXPECT_EQ((*model)->weight_bytes(), 4 * ParameterCount(named.config));
  }
  const auto refused = LoadCpuModel(parent + TreeConfigs()[0].name);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnimplemented);
  std::filesystem::remove_all(parent);
}

}  // namespace
}  // namespace strata
