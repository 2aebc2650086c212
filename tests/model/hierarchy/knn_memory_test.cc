// What a layer looks up behind its window: which keys it chooses, and where nothing of it
// is left.

#include "model/nn/knn_memory.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/knn_config.h"

namespace strata::testing {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

std::vector<bool> Chosen(const std::vector<float>& scores, int64_t count) {
  const auto chosen = NearestKeys(torch::tensor(scores).view({1, -1}), count);
  std::vector<bool> found;
  for (int64_t i = 0; i < chosen.size(1); ++i) found.push_back(chosen[0][i].item<bool>());
  return found;
}

TEST(NearestKeysTest, ChoosesTheBestAndOfEqualOnesTheNewer) {
  using Bits = std::vector<bool>;
  EXPECT_EQ(Chosen({1, 3, 2, 0}, 2), (Bits{false, true, true, false}));
  EXPECT_EQ(Chosen({2, 3, 2, 2}, 2), (Bits{false, true, false, true}));
  EXPECT_EQ(Chosen({5, 5, 5, 5}, 3), (Bits{false, true, true, true}));
  EXPECT_EQ(Chosen({kHidden, 1, kHidden, 0}, 3), (Bits{false, true, false, true}));
  EXPECT_EQ(Chosen({4, kHidden}, 5), (Bits{true, false}));
  EXPECT_EQ(Chosen({kHidden, kHidden}, 1), (Bits{false, false}));
}

LevelConfig Level(int window, int items, int neighbours) {
  LevelConfig level = StackLevel(12, 2, 0);
  level.window = window;
  return WithNeighbours(level, 1, items, neighbours, KnnGate::kHead);
}

// Each query's weights as loops compute them, of rows with documents.
TEST(KnnMemoryTest, IsTheSoftmaxOverTheBestOfItsDocument) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  const int64_t n = 70, window = 4, items = 9, neighbours = 3;
  KnnMemory memory(Level(window, items, neighbours));
  memory->to(torch::kDouble);
  const auto qkv = torch::randn({1, n, 36}, torch::kDouble);
  const auto local = torch::randn({1, n, 12}, torch::kDouble);
  const auto documents = at::floor_divide(torch::arange(n), 40).view({1, n});
  const auto share = memory->Share(local, memory->Reaches(n, documents, local));
  const auto out = memory->forward(local, qkv, share, documents, 0, nullptr);
  const auto parts = qkv.view({n, 3, 2, 6});
  const auto unit = [](const torch::Tensor& x) { return x / x.norm(); };
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t h = 0; h < 2; ++h) {
      std::vector<std::pair<double, int64_t>> ranked;
      for (int64_t j = std::max<int64_t>(i / 40 * 40, i - window - items + 1);
           j <= i - window; ++j) {
        const auto dot = at::dot(unit(parts[i][0][h]), unit(parts[j][1][h]));
        ranked.emplace_back(-dot.item<double>(), j);
      }
      std::sort(ranked.begin(), ranked.end());
      ranked.resize(std::min<size_t>(ranked.size(), neighbours));
      auto near = torch::zeros({6}, torch::kDouble);
      double sum = 0;
      for (const auto& [score, j] : ranked) {
        const double weight = std::exp(-score * std::exp(3.0));
        near += weight * parts[j][2][h];
        sum += weight;
      }
      const auto own = local.view({n, 2, 6})[i][h];
      const auto want = ranked.empty() ? own : near / sum / 2 + own / 2;
      const auto got = out.view({n, 2, 6})[i][h];
      ASSERT_LT((got - want).abs().max().item<double>(), 1e-4) << i;
    }
  }
}

// Queries in several chunks are queries in one.
TEST(KnnMemoryTest, ChunksDoNotMatter) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(4);
  KnnMemory memory(Level(5, 300, 7));
  memory->to(torch::kDouble);
  const auto qkv = torch::randn({1, 700, 36}, torch::kDouble);
  const auto local = torch::randn({1, 700, 12}, torch::kDouble);
  const auto all = [&](int64_t begin) {  // of the items from there on
    const int64_t n = 700 - begin;
    const auto rest = local.narrow(1, begin, n);
    const auto share = memory->Share(rest, memory->Reaches(n, {}, rest));
    return memory->forward(rest, qkv.narrow(1, begin, n), share, {}, 0, nullptr);
  };
  // The last 390 see nothing before item 5.
  EXPECT_LT((all(0).slice(1, 310) - all(5).slice(1, 305)).abs().max().item<double>(),
            1e-12);
}

void SetGates(HierarchicalTransformer model, double bias) {
  torch::NoGradGuard no_grad;
  for (auto& entry : model->named_parameters()) {
    if (absl::EndsWith(entry.key(), "knn.gate")) entry.value().zero_();
    if (absl::EndsWith(entry.key(), "knn.bias")) entry.value().fill_(bias);
  }
}

TEST(KnnModel, WithShutGatesIsTheModelWithout) {
  torch::NoGradGuard no_grad;
  for (const std::string& name : KnnConfigNames()) {
    auto model = SharpModel(KnnConfig(name), torch::kDouble);
    const auto items = RandomBytes(1, 90, 8);
    const auto open = model->forward(items);
    SetGates(model, -800);
    ModelConfig config = model->config();
    for (LevelConfig& level : config.levels) {
      level.knn_layer = level.knn_items = level.knn_neighbours = 0;
      level.knn_gate = KnnGate::kHead;
    }
    auto plain = WeightsIn(config, model);
    EXPECT_LT(Largest(model->forward(items) - plain->forward(items)), 1e-12) << name;
    EXPECT_GT(Largest(open - plain->forward(items)), 1e-3) << name;
  }
}

// Of one level with one layer: item 60 may look at items 17..46, and looks at one a head.
TEST(KnnModel, GradientGoesToTheWindowAndToWhatWasChosen) {
  ModelConfig config;
  config.architecture = "knn-alone";
  config.max_context = 4096;
  LevelConfig level = StackLevel(24, 2, 0);
  level.enc_layers = 0;
  level.window = 14;
  config.levels = {WithNeighbours(level, 1, 30, 1, KnnGate::kContext)};
  config.reach = 13;
  auto model = SharpModel(config, torch::kDouble);
  const auto items = RandomBytes(1, 60, 9);
  const auto embedded = model->Embed(items).detach().requires_grad_(true);
  const auto logits = model->Head(model->ContextsOf(embedded, items));
  const auto gradient =
      torch::autograd::grad({logits[0][60][17]}, {embedded})[0].abs().sum(-1)[0];
  // Context i stands on item i - 1.
  EXPECT_EQ(gradient.slice(0, 46).count_nonzero().item<int64_t>(), 14);
  EXPECT_EQ(gradient.slice(0, 0, 16).count_nonzero().item<int64_t>(), 0);
  const int64_t chosen = gradient.slice(0, 16, 46).count_nonzero().item<int64_t>();
  EXPECT_GE(chosen, 1);
  EXPECT_LE(chosen, 2);
}

}  // namespace
}  // namespace strata::testing
