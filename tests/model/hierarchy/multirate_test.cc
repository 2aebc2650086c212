// Streams beside a decoder (model/nn/multirate_stack.h): the formula, place by place, and
// what does not hang on what stands before a document.

#include "model/nn/multirate_stack.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "model/stream_levels.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/stream_config.h"

namespace strata::testing {
namespace {

MultirateStack MakeStreams(const ModelConfig& config) {
  torch::manual_seed(3);
  MultirateStack streams(config);
  streams->to(torch::kDouble);
  streams->eval();
  torch::NoGradGuard no_grad;
  for (auto& entry : streams->named_parameters()) {
    const bool norm = absl::EndsWith(entry.key(), "norm.weight");
    entry.value().copy_(at::randn_like(entry.value()) * 0.3 + (norm ? 1 : 0));
  }
  return streams;
}

torch::Tensor Entrance(const ModelConfig& config, int64_t places) {
  torch::manual_seed(4);
  return at::randn({1, places, config.levels[0].dim}, torch::kDouble);
}

// An item reads the places up to its own, and of those before as many as there are.
TEST(StreamTest, ReadsNothingBehindItsPlace) {
  torch::NoGradGuard no_grad;
  const ModelConfig config = StreamTestConfig("streams-overlap");
  auto streams = MakeStreams(config);
  const auto u = Entrance(config, 23);
  for (size_t r = 0; r < config.levels[0].streams.size(); ++r) {
    const StreamConfig& stream = config.levels[0].streams[r];
    StreamImpl& module = streams->stream(static_cast<int>(r));
    const auto whole = module.forward(u, {}).back();
    ASSERT_EQ(whole.size(1), StreamItems(stream, 23));
    for (int64_t j = 0; j < whole.size(1); ++j) {
      auto later = u.clone();
      later.slice(1, j * stream.stride + 1).fill_(7);
      EXPECT_TRUE(at::allclose(module.forward(later, {}).back().select(1, j),
                               whole.select(1, j), 1e-12, 1e-12));
      const auto shorter = module.forward(u.slice(1, 0, j * stream.stride + 1), {}).back();
      EXPECT_TRUE(at::allclose(shorter.select(1, j), whole.select(1, j), 1e-12, 1e-12));
      auto own = u.clone();
      own.select(1, j * stream.stride).fill_(7);
      EXPECT_FALSE(at::allclose(module.forward(own, {}).back().select(1, j),
                                whole.select(1, j), 1e-6, 1e-6));
    }
  }
}

// A place takes up the newest item that is made at it or before it.
TEST(MultirateStackTest, EveryPlaceTakesUpTheNewestItems) {
  torch::NoGradGuard no_grad;
  const ModelConfig config = StreamTestConfig("streams-overlap");
  const LevelConfig& base = config.levels[0];
  auto streams = MakeStreams(config);
  const auto u = Entrance(config, 19);
  const StreamOutputs said = streams->forward(u, {});
  const auto z = Entrance(config, 19) * 0.7;
  for (int m = 0; m < base.dec_layers; ++m) {
    const auto merged = streams->Merged(m, z, said);
    for (int64_t i = 0; i < 19; ++i) {
      std::vector<torch::Tensor> newest;
      for (size_t r = 0; r < said.size(); ++r) {
        newest.push_back(said[r][m].select(1, i / base.streams[r].stride));
      }
      EXPECT_TRUE(at::allclose(merged.select(1, i),
                               streams->merge(m).forward(z.select(1, i), newest), 1e-12,
                               1e-12));
    }
  }
}

// Two documents in a row: the second is as if it stood alone.
TEST(MultirateStackTest, ADocumentBeginsWithNothingBeforeIt) {
  torch::NoGradGuard no_grad;
  for (const char* name : {"streams-overlap", "streams-windows"}) {
    const ModelConfig config = StreamTestConfig(name);
    const int64_t first = 2 * DocumentAlignment(config);
    auto streams = MakeStreams(config);
    const auto u = Entrance(config, first + 13);
    const auto segments =
        at::cat({torch::zeros({1, first}, torch::kLong),
                 torch::ones({1, 13}, torch::kLong)},
                1);
    const StreamOutputs both = streams->forward(u, segments);
    const StreamOutputs alone = streams->forward(u.slice(1, first), {});
    for (size_t r = 0; r < both.size(); ++r) {
      const int64_t before = first / config.levels[0].streams[r].stride;
      for (size_t m = 0; m < both[r].size(); ++m) {
        EXPECT_TRUE(at::allclose(both[r][m].slice(1, before), alone[r][m], 1e-10, 1e-10))
            << name << " " << r;
      }
    }
  }
}

// Every weight of the streams and of the merges has a part in the loss.
TEST(MultirateStackTest, GradientsReachEveryWeight) {
  auto model = SharpModel(StreamTestConfig("streams-overlap"), torch::kDouble);
  const auto logits = model->forward(RandomBytes(1, 40, 6));
  logits.log_softmax(-1).select(-1, 65).sum().backward();
  int64_t seen = 0;
  for (const auto& entry : model->named_parameters()) {
    if (!absl::StrContains(entry.key(), "streams.")) continue;
    ++seen;
    EXPECT_GT(entry.value().grad().abs().sum().item<double>(), 0) << entry.key();
  }
  EXPECT_GT(seen, 40);
}

}  // namespace
}  // namespace strata::testing
