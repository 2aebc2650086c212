// A byte influences the predictions after it, all of those inside the declared
// reach, and no other: by perturbation, by prefixes, by gradients. The faulty
// graphs that the availability pass refuses are caught here as well.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <numeric>
#include <tuple>

#include "model/availability.h"
#include "model/stack_depth.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

// influence[j][t] != 0: another byte j changes the logits of item t. Where the
// bytes decide how many units there are, matrices of another size are multiplied,
// and sums are rounded otherwise: less than `noise` is no change then.
torch::Tensor Influence(HierarchicalTransformer model,
                        const torch::Tensor& items, double noise) {
  const bool ragged =
      model->config().levels[0].block_rule != BlockRule::kFixed;
  const double least = ragged ? noise : 0.0;
  torch::NoGradGuard no_grad;
  const auto base = model->forward(items);
  std::vector<torch::Tensor> rows;
  for (int64_t j = 0; j < items.size(1); ++j) {
    const auto changed = model->forward(Perturbed(items, j));
    rows.push_back(((changed - base).abs() > least).any(-1)[0]);
  }
  return at::stack(rows);
}

int64_t Leaks(const torch::Tensor& influence) {
  // Item t is predicted before it is seen: j >= t must have no influence.
  return influence.tril().sum().item<int64_t>();
}

// Some items leave early, where the model lets them.
HierarchicalTransformer LeavingModel(const ModelConfig& config, torch::ScalarType type) {
  HierarchicalTransformer model = SharpModel(config, type);
  ExitHeads& exits = model->level(0).decoder().exits();
  if (!exits.is_empty()) exits->SetThreshold(0.5);
  return model;
}

class CausalityTest
    : public ::testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  ModelConfig config() const { return TestedConfig(std::get<0>(GetParam())); }
  int64_t length() const { return std::get<1>(GetParam()); }
};

TEST_P(CausalityTest, LogitsBeforeAPerturbationAreBitIdentical) {
  auto model = LeavingModel(config(), torch::kFloat);
  EXPECT_EQ(Leaks(Influence(model, RandomBytes(1, length(), 1), 1e-3)), 0);
}

// Where items may stop early it lies between that of the shallowest and of the deepest.
TEST_P(CausalityTest, InfluenceIsExactlyTheAvailability) {
  const ModelConfig config = this->config();
  auto model = LeavingModel(config, torch::kDouble);
  const int64_t n = length();
  const auto reach = Availability(config, n + 1);
  const auto sure = Availability(Shallowest(config), n + 1);
  int64_t available = 0;
  for (const auto& row : sure) {
    available += std::accumulate(row.begin(), row.begin() + n, int64_t{0});
  }
  // Where a gate hears nothing of a narrow sublayer (all of it below 0), another text
  // tells.
  auto influence = Influence(model, RandomBytes(1, n, 2), 1e-11);
  for (uint64_t seed = 3;
       seed < 16 && influence.sum().item<int64_t>() < available; ++seed) {
    influence = influence.logical_or(Influence(model, RandomBytes(1, n, seed), 1e-11));
  }
  int64_t different = 0;
  int64_t blind = 0;
  for (int64_t t = 0; t <= n; ++t) {
    for (int64_t j = 0; j < n; ++j) {
      const bool seen = influence[j][t].item<bool>();
      different += seen ? reach[t][j] == 0 : sure[t][j] != 0;
      const bool declared =
          config.reach < 0 || t - j <= config.reach;
      blind += j < t && declared && !seen;
    }
  }
  EXPECT_EQ(different, 0) << ModelConfigToJson(config);
  EXPECT_EQ(blind, 0) << ModelConfigToJson(config);
}

TEST_P(CausalityTest, APrefixAlonePredictsTheSame) {
  torch::NoGradGuard no_grad;
  auto model = LeavingModel(config(), torch::kDouble);
  const auto items = RandomBytes(1, length(), 3);
  const auto whole = model->forward(items)[0];
  for (int64_t t = 0; t <= length(); ++t) {
    const auto prefix = model->forward(items.slice(1, 0, t))[0];
    ASSERT_EQ(prefix.size(0), t + 1);
    EXPECT_LT((prefix[t] - whole[t]).abs().max().item<double>(), 1e-10) << t;
  }
}

TEST_P(CausalityTest, NoGradientReachesTheFuture) {
  auto model = LeavingModel(config(), torch::kFloat);
  const int64_t n = length();
  const auto items = RandomBytes(1, n, 4);
  const auto embedded = model->Embed(items).detach().requires_grad_(true);
  const auto loss = model->Head(model->ContextsOf(embedded, items)).log_softmax(-1);
  for (int64_t t = 0; t <= n; t += 5) {
    const auto gradient = torch::autograd::grad(
        {loss[0][t][17]}, {embedded}, {}, /*retain_graph=*/true,
        /*create_graph=*/false, /*allow_unused=*/true)[0];
    if (!gradient.defined()) continue;
    EXPECT_EQ(gradient.slice(1, t).abs().sum().item<float>(), 0) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, CausalityTest,
    ::testing::Combine(::testing::ValuesIn(TestedModels()),
                       ::testing::Values(67, 131)),
    [](const auto& info) {
      std::string name = std::get<0>(info.param) + "_" +
                         std::to_string(std::get<1>(info.param));
      for (char& c : name) c = c == '-' ? '_' : c;
      return name;
    });

TEST(NegativeControlTest, AMissingBlockShiftIsSeenByPerturbation) {
  for (const char* name : {"block", "block-literal", "three-levels"}) {
    auto model = SharpModel(TestedConfig(name), torch::kFloat,
                            ShadowFaults{.no_block_shift = true});
    EXPECT_GT(Leaks(Influence(model, RandomBytes(1, 67, 5), 0)), 50) << name;
  }
}

TEST(NegativeControlTest, ANodeSeenOneLeafTooEarlyIsSeenByPerturbation) {
  auto model = SharpModel(TestedConfig("tree-1m"), torch::kFloat,
                          ShadowFaults{.tree_node_early = true});
  EXPECT_GT(Leaks(Influence(model, RandomBytes(1, 67, 5), 0)), 50);
}

TEST(NegativeControlTest, AnItemOfAStreamThatIsThereTooEarlyIsSeenByPerturbation) {
  auto model = SharpModel(TestedConfig("multirate"), torch::kFloat,
                          ShadowFaults{.stream_item_early = true});
  EXPECT_GT(Leaks(Influence(model, RandomBytes(1, 67, 5), 0)), 50);
}

TEST(NegativeControlTest, ASkipAroundABidirectionalEncoderIsSeen) {
  auto model = SharpModel(TestedConfig("block-literal"), torch::kFloat,
                          ShadowFaults{.skip_bidirectional = true});
  EXPECT_GT(Leaks(Influence(model, RandomBytes(1, 67, 5), 0)), 50);
}

}  // namespace
}  // namespace strata::testing
