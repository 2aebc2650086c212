// The model, its gradients and the optimizer against an implementation that
// shares nothing with them (tests/parity/make_reference.py): in fp32 within
// 1e-5, in fp64 within the nine digits that the reference is stored with.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <iterator>
#include <string>
#include <tuple>
#include <vector>

#include "model/hierarchy/hierarchical_transformer.h"
#include "model/segment_rule.h"
#include "model/train/adamw.h"
#include "model/train/grad_norm.h"
#include "model/train/language_loss.h"
#include "tests/model/position_config.h"
#include "tests/model/scope_config.h"
#include "tests/model/small_presets.h"
#include "tests/parity/reference.h"

namespace strata::testing {
namespace {

constexpr int64_t kSegment = 6;  // of the models with a memory

class ParityTest : public ::testing::TestWithParam<
                       std::tuple<std::string, torch::ScalarType>> {
 protected:
  static void SetUpTestSuite() { at::set_num_threads(1); }

  ParityTest() : reference_(ReadReference(std::get<0>(GetParam()))) {
    model_ = HierarchicalTransformer(reference_.config);
    model_->to(std::get<1>(GetParam()));
    model_->eval();
    FormulaWeights(model_.get());
  }

  double tolerance() const {
    return std::get<1>(GetParam()) == torch::kFloat ? 1e-5 : 2e-8;
  }

  // Mean over the trained items, n-gram heads with their weight.
  torch::Tensor Loss(int64_t step) {
    if (CarriesMemory(reference_.config)) return SegmentLoss(step);
    const BatchTensors rows = {FormulaItems(step, reference_.config.vocab), {},
                               FormulaTrained()};
    return LanguageLossSums(model_, rows, {.ngram_weight = 0.2}).minimised /
           rows.trained.sum().item<double>();
  }

  // Of whole segments, one after another.
  torch::Tensor SegmentLoss(int64_t step) {
    const auto items = FormulaItems(step, reference_.config.vocab);
    const auto trained = FormulaTrained();
    SegmentMemory memory(reference_.config, kParityBatch, std::get<1>(GetParam()));
    torch::Tensor sum;
    double count = 0;
    for (int64_t at = 0; at + kSegment <= kParityItems; at += kSegment) {
      const BatchTensors rows = {
          items.narrow(1, at, kSegment),
          torch::zeros({kParityBatch, kSegment}, torch::kLong),
          trained.narrow(1, at, kSegment),
          torch::full({kParityBatch}, at > 0, torch::kBool)};
      const auto loss = LanguageLossSums(model_, rows, {}, &memory).minimised;
      sum = sum.defined() ? sum + loss : loss;
      count += rows.trained.sum().item<double>();
    }
    return sum / count;
  }

  void ExpectWeights(const Digests& expected) {
    for (const auto& entry : model_->named_parameters()) {
      ASSERT_TRUE(expected.count(entry.key())) << entry.key();
      ExpectDigest(entry.key(), entry.value(), expected.at(entry.key()),
                   tolerance());
    }
  }

  Reference reference_;
  HierarchicalTransformer model_{nullptr};
};

TEST_P(ParityTest, ActivationsOfEveryLevelAndLogits) {
  torch::NoGradGuard no_grad;
  std::vector<LevelActivations> levels;
  const auto contexts = model_->Contexts(FormulaItems(1, reference_.config.vocab), {}, &levels);
  std::map<std::string, torch::Tensor> found = {
      {"logits", model_->Head(contexts)}};
  for (int head = 1; head <= reference_.config.ngram_heads; ++head) {
    found["ngram." + std::to_string(head - 1) + ".logits"] =
        model_->Head(contexts, head);
  }
  for (size_t l = 0; l < levels.size(); ++l) {
    const std::string prefix = "level." + std::to_string(l) + ".";
    found[prefix + "h"] = levels[l].h;
    found[prefix + "c"] = levels[l].c;
    if (!levels[l].p.defined()) continue;
    found[prefix + "p"] = levels[l].p;
    found[prefix + "o"] = levels[l].o;
  }
  EXPECT_EQ(found.size(), reference_.activations.size());
  for (const auto& [name, digest] : reference_.activations) {
    ASSERT_TRUE(found.count(name)) << name;
    ExpectDigest(name, found[name], digest, tolerance());
  }
}

TEST_P(ParityTest, LossAndGradients) {
  const auto loss = Loss(1);
  EXPECT_NEAR(loss.item<double>(), reference_.loss, tolerance());
  loss.backward();
  const auto parameters = model_->named_parameters();
  EXPECT_EQ(parameters.size(), reference_.gradients.size());
  for (const auto& entry : parameters) {
    ASSERT_TRUE(reference_.gradients.count(entry.key())) << entry.key();
    // Thresholds and centroids are not trained so.
    const auto& gradient = entry.value().grad();
    ExpectDigest(entry.key(),
                 gradient.defined() ? gradient : torch::zeros_like(entry.value()),
                 reference_.gradients.at(entry.key()), tolerance());
  }
}

TEST_P(ParityTest, WeightsAfterOneAndTenOptimizerSteps) {
  std::vector<NamedParameter> weights;
  for (const auto& entry : model_->named_parameters()) {
    weights.push_back({entry.key(), entry.value()});
  }
  AdamW optimizer(weights, AdamWOptions{});
  for (int64_t step = 1; step <= 10; ++step) {
    optimizer.ZeroGrad();
    Loss(step).backward();
    const double norm = GlobalGradNorm(weights);
    // Adam makes steps of equal size of rounding where gradients are small, so norms
    // part a little more with every step: 7e-5 was seen where vectors are of 32 bytes.
    EXPECT_NEAR(norm, reference_.norms.at(step - 1), (2 + step) * tolerance());
    ClipGradients(weights, norm, 1.0);
    optimizer.Step(/*learning_rate=*/1e-3, step);
    if (step == 1) ExpectWeights(reference_.after_1);
  }
  ExpectWeights(reference_.after_10);
}

// Presets, a model with n-gram heads, one whose levels repeat, one whose items halt, one
// that items leave early, one with gates, one whose bridges attend, one of clusters, one
// of two streams, two with a memory, two that look up neighbours behind their windows, one
// of every position scheme but the default, and one of every scope
// with parameters or sums.
std::vector<std::string> Models() {
  std::vector<std::string> names(std::begin(kSmallPresets),
                                 std::end(kSmallPresets));
  names.push_back("ngram");
  names.push_back("repeats");
  names.push_back("halting");
  names.push_back("exits");
  names.push_back("gates");
  names.push_back("bridge-attention");
  names.push_back("routing");
  names.push_back("reversible");
  names.push_back("memory");
  names.push_back("memory-means");
  names.push_back("knn");
  names.push_back("knn-memory");
  for (const PositionScheme* scheme : OtherPositionSchemes()) {
    names.push_back(std::string("position-") + scheme->name);
  }
  for (const Scope scope : OtherScopes()) {
    names.push_back(std::string("scope-") + RuleOf(scope).name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(
    Models, ParityTest,
    ::testing::Combine(::testing::ValuesIn(Models()),
                       ::testing::Values(torch::kFloat, torch::kDouble)),
    [](const auto& info) {
      std::string name = std::get<0>(info.param);
      for (char& c : name) c = c == '-' ? '_' : c;
      return name + (std::get<1>(info.param) == torch::kFloat ? "_fp32"
                                                              : "_fp64");
    });

}  // namespace
}  // namespace strata::testing
