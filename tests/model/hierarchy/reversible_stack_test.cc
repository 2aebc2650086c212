// Two streams through a stack: the gradients of ordinary differentiation, also with
// dropout and with buckets that are chosen once, and memory that layers do not add to.

#include "model/nn/reversible_stack.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>

#include "tests/model/bucket_config.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/stack_config.h"
#include "tests/testing/tensor_bytes.h"

namespace strata::testing {
namespace {

constexpr int64_t kDim = 6;

torch::Tensor Random(std::vector<int64_t> shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::randn(shape, generator, torch::kDouble);
}

// Halves of a matrix each; the last run shares those of the first.
struct Toy {
  std::vector<torch::Tensor> leaves;
  std::vector<ReversibleRun> runs;

  Toy() {
    for (uint64_t i = 0; i < 5; ++i) {
      leaves.push_back(Random({kDim, kDim}, 10 + i).requires_grad_(true));
    }
    leaves.push_back(Random({kDim}, 20).requires_grad_(true));
    const auto half = [&](size_t i) -> ReversibleHalf {
      const auto w = leaves[i];
      return {[w](const torch::Tensor& x) { return at::matmul(x, w).tanh(); }, {w}};
    };
    runs = {{{}, half(0), half(1)}, {leaves[5], half(2), half(3)},
            {{}, half(4), half(4)}, {leaves[5], half(0), half(1)}};
  }
};

TEST(ReversibleStackTest, GradientsAreThoseOfOrdinaryDifferentiation) {
  for (const double rate : {0.0, 0.3}) {
    Toy toy;
    std::vector<torch::Tensor> inputs = {Random({3, 7, kDim}, 1).requires_grad_(true)};
    inputs.insert(inputs.end(), toy.leaves.begin(), toy.leaves.end());
    const auto w = Random({3, 7, kDim}, 2);
    at::manual_seed(9);
    const auto found = RunReversible(inputs[0], toy.runs, rate);
    at::manual_seed(9);
    const auto wanted = RunTwoStreams(inputs[0], toy.runs, rate);
    EXPECT_TRUE(found.equal(wanted));
    const auto grads = torch::autograd::grad({(found * w).sum()}, inputs);
    const auto ordinary = torch::autograd::grad({(wanted * w).sum()}, inputs);
    for (size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_LT(Largest(grads[i] - ordinary[i]), 1e-10) << i << ", dropout " << rate;
    }
  }
}

TEST(ReversibleStackTest, LayersThatAddNothingPassTheItemsOn) {
  const ReversibleHalf nothing = {
      [](const torch::Tensor& x) { return torch::zeros_like(x); }, {}};
  const auto x = Random({2, kDim}, 1);
  EXPECT_TRUE(RunTwoStreams(x, {{{}, nothing, nothing}}, 0).equal(x));
}

// What of the loss changes along a direction of all weights, and what the gradient says.
void ExpectGradientOf(ModelConfig config) {
  config.dropout = 0.2;
  HierarchicalTransformer model = SharpModel(config, torch::kDouble);
  model->train();
  const auto items = RandomBytes(2, 60, 1);
  const auto loss = [&] {
    at::manual_seed(6);
    return model->Contexts(items).pow(3).mean();
  };
  loss().backward();
  double said = 0;
  std::vector<torch::Tensor> directions;
  uint64_t seed = 100;
  for (const auto& p : model->parameters()) {
    directions.push_back(Random(p.sizes().vec(), seed++));
    if (!p.grad().defined()) directions.back().zero_();
    if (p.grad().defined()) said += (p.grad() * directions.back()).sum().item<double>();
  }
  const auto at = [&](double step) {
    torch::NoGradGuard no_grad;
    const auto parameters = model->parameters();
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].add_(directions[i], step);
    }
    const double value = loss().item<double>();
    for (size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].sub_(directions[i], step);
    }
    return value;
  };
  constexpr double kStep = 1e-7;
  const double seen = (at(kStep) - at(-kStep)) / (2 * kStep);
  EXPECT_NEAR(seen, said, 1e-5 * std::max(1.0, std::abs(said))) << config.architecture;
}

TEST(ReversibleStackTest, ModelsHaveTheGradientOfTheirLoss) {
  ExpectGradientOf(StackConfig("reversible"));
  ExpectGradientOf(StackConfig("reversible-tree"));
  for (const std::string& name : BucketConfigNames()) {
    ModelConfig config = BucketConfig(name);
    for (LevelConfig& level : config.levels) level.gate = GateKind::kReversible;
    ExpectGradientOf(config);
  }
}

struct Held {
  int64_t after_forward = 0;
  int64_t most = 0;
};

Held HeldBy(GateKind gate, int layers) {
  ModelConfig config = StackConfig("reversible");
  config.levels = {config.levels[2]};
  config.levels[0].enc_layers = 0;
  config.levels[0].dec_layers = layers;
  config.levels[0].gate = gate;
  config.dropout = 0.1;
  HierarchicalTransformer model(config);
  const auto items = RandomBytes(2, 200, 1);
  model->Contexts(items).sum().backward();  // gradients are there from now on
  const TensorBytes bytes;
  const auto loss = model->Contexts(items).sum();
  const int64_t after_forward = bytes.live();
  loss.backward();
  return {after_forward, bytes.most()};
}

TEST(ReversibleStackTest, LayersAddNothingToWhatTrainingHolds) {
  const Held few = HeldBy(GateKind::kReversible, 2);
  const Held many = HeldBy(GateKind::kReversible, 12);
  const Held sums = HeldBy(GateKind::kResidual, 12);
  RecordProperty("two_layers", std::to_string(few.after_forward));
  RecordProperty("twelve_layers", std::to_string(many.after_forward));
  RecordProperty("twelve_layers_of_sums", std::to_string(sums.after_forward));
  EXPECT_EQ(many.after_forward, few.after_forward);
  // The rest of the peak is one layer's activations and the gradients of all weights.
  EXPECT_LT(many.most, sums.most / 2);
}

}  // namespace
}  // namespace strata::testing
