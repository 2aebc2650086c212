// P5, P6, P7, P9 for the presets as they ship: the decoder against the
// differentiable model, two different definitions of one thing that share the
// weights' bytes and nothing else.

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/decode/cpu_generator.h"
#include "model/decode/cpu_model.h"
#include "model/hierarchy/hierarchical_transformer.h"
#include "model/hierarchy/weights.h"
#include "model/presets.h"
#include "tests/model/decode/scaled_model.h"
#include "tests/model/decode/test_model.h"

namespace strata {
namespace {

// [T + 1, V] in double.
torch::Tensor FullLogits(HierarchicalTransformer model,
                         const std::vector<Item>& items) {
  torch::NoGradGuard no_grad;
  const auto tensor = torch::tensor(items, torch::kLong).unsqueeze(0);
  return model->forward(tensor)[0].to(torch::kDouble).contiguous();
}

template <typename T>
std::shared_ptr<const CpuModel<T>> ToCpu(HierarchicalTransformer model) {
  auto named = ToNamedTensors(*model);
  EXPECT_TRUE(named.ok()) << named.status();
  std::map<std::string, TensorView> views;
  for (const NamedTensor& tensor : named->views) {
    views[tensor.name] = tensor.tensor;
  }
  auto cpu = CpuModel<T>::Create(model->config(), views);
  EXPECT_TRUE(cpu.ok()) << cpu.status();
  return *cpu;
}

// Feeds two different texts as a ragged batch, the second in chunks of 7, and
// compares every context of both with the full pass.
template <typename T>
void ExpectIncrementalEqualsFull(const ModelConfig& config, int64_t n,
                                 double tolerance) {
  auto model = MakeModel(
      config, sizeof(T) == 8 ? torch::kDouble : torch::kFloat);
  const auto cpu = ToCpu<T>(model);
  CpuGenerator<T> generator(cpu.get(), 1);
  const int64_t vocab = config.vocab;
  const std::vector<std::vector<Item>> texts = {RandomItems(n, 1),
                                                RandomItems(n, 2)};
  const std::vector<int64_t> chunk = {1, 7};
  std::vector<torch::Tensor> want;
  std::vector<std::unique_ptr<Sequence>> sequences;
  for (const auto& text : texts) {
    want.push_back(FullLogits(model, text));
    sequences.push_back(*generator.NewSequence(n));
  }
  double worst = 0;
  while (sequences[0]->size() < n || sequences[1]->size() < n) {
    std::vector<typename CpuGenerator<T>::ExactRow> rows;
    std::vector<std::vector<T>> outputs(2);
    std::vector<size_t> who;
    for (size_t i = 0; i < 2; ++i) {
      const int64_t count = std::min(chunk[i], n - sequences[i]->size());
      if (count == 0) continue;
      outputs[i].resize(count * vocab);
      who.push_back(i);
      rows.push_back({sequences[i].get(),
                      absl::MakeConstSpan(texts[i]).subspan(
                          sequences[i]->size(), count),
                      absl::MakeSpan(outputs[i])});
    }
    ASSERT_TRUE(generator.StepExact(rows).ok());
    for (const size_t i : who) {
      const int64_t count = outputs[i].size() / vocab;
      const double* full = want[i].template const_data_ptr<double>() +
                           (sequences[i]->size() - count + 1) * vocab;
      for (size_t j = 0; j < outputs[i].size(); ++j) {
        const double d = std::abs(double(outputs[i][j]) - full[j]);
        worst = d <= worst ? worst : d;
      }
      ASSERT_LE(worst, tolerance) << "by item " << sequences[i]->size();
    }
  }
}

std::string PresetName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<std::string> Presets(int64_t least, int64_t most) {
  std::vector<std::string> names;
  for (const std::string& name : PresetNames()) {
    const int64_t parameters = ParameterCount(*PresetConfig(name));
    if (parameters >= least && parameters < most) names.push_back(name);
  }
  return names;
}

class PresetParity : public ::testing::TestWithParam<std::string> {
 protected:
  // Threads that wait at barriers take minutes on a busy machine.
  void SetUp() override { at::set_num_threads(1); }
};

// Minutes: a long run's.
class LargePresetParity : public PresetParity {};

TEST_P(LargePresetParity, IncrementalEqualsFullInFloat) {
  ExpectIncrementalEqualsFull<float>(*PresetConfig(GetParam()), 131, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Presets, LargePresetParity,
                         ::testing::ValuesIn(Presets(30'000'000, INT64_MAX)),
                         PresetName);

TEST_P(PresetParity, IncrementalEqualsFullInFloat) {
  ExpectIncrementalEqualsFull<float>(*PresetConfig(GetParam()), 131, 1e-4);
}

TEST_P(PresetParity, IncrementalEqualsFullInDouble) {
  ExpectIncrementalEqualsFull<double>(*PresetConfig(GetParam()), 67, 1e-12);
}

// P9: far beyond every window, so that each ring wrapped several times.
TEST_P(PresetParity, RingsThatWrappedStillEqualTheFullPass) {
  const ModelConfig config = *PresetConfig(GetParam());
  ExpectIncrementalEqualsFull<float>(config, 600, 1e-4);
}

// P6: a prefill of any length, then steps, in bits.
TEST_P(PresetParity, PrefillThenStepsEqualsStepsInBits) {
  const ModelConfig config = *PresetConfig(GetParam());
  const auto cpu = ToCpu<float>(MakeModel(config, torch::kFloat));
  CpuGenerator<float> generator(cpu.get(), 1);
  const int64_t unit =
      ItemBytes(config, static_cast<int>(config.levels.size()) - 1);
  const int64_t n = 2 * unit + 3;
  const auto items = RandomItems(n, 3);
  std::vector<float> want(config.vocab), got(config.vocab);
  auto stepped = *generator.NewSequence(n);
  for (int64_t t = 0; t < n; ++t) {
    const StepRow row{stepped.get(), absl::MakeConstSpan(items).subspan(t, 1),
                      absl::MakeSpan(want)};
    ASSERT_TRUE(generator.Step({row}).ok());
  }
  for (int64_t k = 1; k <= n; ++k) {
    auto sequence = *generator.NewSequence(n);
    const auto all = absl::MakeConstSpan(items);
    ASSERT_TRUE(generator
                    .Step({{sequence.get(), all.subspan(0, k),
                            absl::MakeSpan(got)}})
                    .ok());
    for (int64_t t = k; t < n; ++t) {
      ASSERT_TRUE(generator
                      .Step({{sequence.get(), all.subspan(t, 1),
                              absl::MakeSpan(got)}})
                      .ok());
    }
    ASSERT_EQ(got, want) << "prefill of " << k;
  }
}

// A guess is the likeliest item of the model's own n-gram head.
TEST_P(PresetParity, GuessesAreWhatTheHeadsSay) {
  torch::NoGradGuard no_grad;
  ModelConfig config = *PresetConfig(GetParam());
  config.ngram_heads = 3;
  auto model = MakeModel(config, torch::kDouble);
  const auto cpu = ToCpu<double>(model);
  CpuGenerator<double> generator(cpu.get(), 1);
  const auto items = RandomItems(40, 6);
  const auto contexts =
      model->Contexts(torch::tensor(items, torch::kLong).unsqueeze(0))[0];
  auto sequence = *generator.NewSequence(40);
  std::vector<double> logits(config.vocab);
  int64_t compared = 0;
  for (int64_t t = 0; t + 1 < 40; ++t) {
    ASSERT_TRUE(generator
                    .StepExact({{sequence.get(),
                                 absl::MakeConstSpan(items).subspan(t, 1),
                                 absl::MakeSpan(logits)}})
                    .ok());
    std::vector<Item> guesses(3);
    std::vector<DraftRow> rows = {
        {sequence.get(), items[t + 1], absl::MakeSpan(guesses)}};
    ASSERT_TRUE(generator.Draft(absl::MakeSpan(rows)).ok());
    compared += rows[0].count;
    for (int k = 0; k < rows[0].count; ++k) {
      const auto want = model->Head(contexts[t + 1], k + 1).argmax();
      ASSERT_EQ(guesses[k], want.template item<int64_t>()) << "after item " << t;
    }
  }
  EXPECT_EQ(compared > 0, MostDrafts(config) > 0);
}

// The differentiable model against the naive one, for every small config.
class FullPass : public ::testing::TestWithParam<NamedConfig> {};

TEST_P(FullPass, EqualsTheNaiveModel) {
  at::set_num_threads(1);
  const ModelConfig& config = GetParam().config;
  const TestWeights weights(config, 7);
  HierarchicalTransformer model(config);
  model->to(torch::kDouble);
  model->eval();
  ASSERT_TRUE(LoadNamedTensors(weights.Views(DType::kF64), model.get()).ok());
  const auto items = RandomItems(67, 5);
  const Rows want = NaiveLogits(config, weights, items);
  const auto got = FullLogits(model, items);
  double worst = 0;
  for (size_t t = 0; t < want.size(); ++t) {
    for (int64_t v = 0; v < config.vocab; ++v) {
      const double d =
          std::abs(got[t].const_data_ptr<double>()[v] - want[t][v]);
      worst = d <= worst ? worst : d;
    }
  }
  EXPECT_LE(worst, 1e-12);
}

INSTANTIATE_TEST_SUITE_P(Configs, FullPass, ::testing::ValuesIn(SmallConfigs()),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Presets, PresetParity,
                         ::testing::ValuesIn(Presets(0, 30'000'000)),
                         PresetName);

}  // namespace
}  // namespace strata
