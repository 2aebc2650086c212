// Models that attend to buckets in training: all keys elsewhere, no item to come and no
// other document ever, and gradients for every weight but the centroids.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/model/bucket_config.h"
#include "tests/model/hierarchy/fixture.h"

namespace strata::testing {
namespace {

class BucketModel : public ::testing::TestWithParam<std::string> {
 protected:
  BucketModel() {
    ModelConfig config = BucketConfig(GetParam());
    config.dropout = 0;
    model_ = SharpModel(config, torch::kDouble);
    torch::NoGradGuard no_grad;
    for (const auto& entry : model_->named_parameters()) {
      auto value = entry.value();
      if (!value.requires_grad()) {
        value.div_(at::linalg_vector_norm(value, 2, {-1}, true));
      }
    }
  }

  // As training computes them, with the rotations of one seed.
  torch::Tensor Trained(const torch::Tensor& items, const torch::Tensor& segments = {}) {
    torch::NoGradGuard no_grad;
    model_->train();
    at::manual_seed(5);
    const auto contexts = model_->Contexts(items, segments);
    model_->eval();
    return contexts;
  }

  HierarchicalTransformer model_{nullptr};
};

TEST_P(BucketModel, AttendsToAllButInTraining) {
  ModelConfig exact = model_->config();
  for (LevelConfig& level : exact.levels) {
    level.trained_attention = TrainedAttention::kExact;
    level.buckets = level.hash_rounds = 0;
  }
  torch::NoGradGuard no_grad;
  const auto items = RandomBytes(2, 80, 1);
  const auto all = WeightsIn(exact, model_)->Contexts(items);
  EXPECT_TRUE(model_->Contexts(items).equal(all));
  EXPECT_GT(Largest(Trained(items) - all), 1e-3);
}

TEST_P(BucketModel, TrainingSeesNoItemToCome) {
  const int64_t n = 96;
  const auto items = RandomBytes(1, n, 2);
  const auto before = Trained(items);
  for (const int64_t j : {3, 40, 41, 95}) {
    const auto after = Trained(Perturbed(items, j));
    EXPECT_LT(Largest((after - before).narrow(1, 0, j + 1)), 1e-11) << j;
    EXPECT_GT(Largest((after - before).narrow(1, j + 1, n - j)), 1e-6) << j;
  }
}

TEST_P(BucketModel, TrainingSeesNoOtherDocument) {
  const int64_t n = 96, cut = 40;
  const auto items = RandomBytes(1, n, 3);
  auto segments = torch::zeros({1, n + 1}, torch::kLong);
  segments.slice(1, cut) += 1;
  const auto before = Trained(items, segments);
  const auto after = Trained(Perturbed(items, 7), segments);
  EXPECT_LT(Largest((after - before).slice(1, cut)), 1e-11);
  EXPECT_GT(Largest((after - before).slice(1, 8, cut)), 1e-6);
}

TEST_P(BucketModel, EveryWeightButCentroidsLearns) {
  model_->train();
  model_->Contexts(RandomBytes(2, 50, 4)).pow(3).sum().backward();
  int centroids = 0;
  for (const auto& entry : model_->named_parameters()) {
    if (entry.key().find("head") == 0) continue;  // of logits
    const bool learns = entry.value().grad().defined() &&
                        Largest(entry.value().grad()) > 0;
    const bool centroid = entry.key().find("centroids") != std::string::npos;
    EXPECT_EQ(learns, !centroid) << entry.key();
    centroids += centroid;
  }
  EXPECT_EQ(centroids, GetParam() == "lsh" ? 0 : GetParam() == "routing" ? 4 : 2);
}

INSTANTIATE_TEST_SUITE_P(Models, BucketModel, ::testing::ValuesIn(BucketConfigNames()),
                         [](const auto& info) {
                           return info.param == "routing-top" ? "routing_top"
                                                              : info.param;
                         });

}  // namespace
}  // namespace strata::testing
