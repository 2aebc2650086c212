// What the items of slower streams beside a decoder are told to have attended to.

#include <gtest/gtest.h>

#include <algorithm>

#include "model/inspect/inspection_pass.h"
#include "model/presets.h"
#include "model/stream_levels.h"
#include "tests/model/hierarchy/fixture.h"
#include "tests/model/inspect/fixture.h"
#include "tests/model/naive_scope.h"

namespace strata::testing {
namespace {

// Streams that see all, a window, and a window of items that overlap.
ModelConfig Streamed() {
  ModelConfig config = PresetConfig("multirate").value();
  LevelConfig& level = config.levels[0];
  level.streams = {{8, 8, 16, 2, 0}, {4, 4, 16, 1, 6}, {6, 2, 24, 3, 4}};
  level.dec_layers = 2;
  return config;
}

class StreamInspectionTest : public ::testing::Test {
 protected:
  InspectedPass Pass(const InspectOptions& options) {
    return InspectPass(model_, fed_, SelectForInspection(config_, options, kBytes).value(),
                       kTopK);
  }
  static std::vector<InspectedStack> StreamsOf(const InspectedPass& pass) {
    std::vector<InspectedStack> streams;
    for (const InspectedStack& stack : pass.inspection.levels[0].stacks) {
      if (stack.kind == InspectedStack::Kind::kStream) streams.push_back(stack);
    }
    return streams;
  }

  const ModelConfig config_ = Streamed();
  const std::vector<StreamConfig>& streams_ = config_.levels[0].streams;
  HierarchicalTransformer model_ = Model(config_);
  const std::vector<int64_t> fed_ = Fed();
};

TEST_F(StreamInspectionTest, EachIsAStackOfItsOwn) {
  ASSERT_TRUE(ValidateModelConfig(config_).ok()) << ValidateModelConfig(config_);
  const auto told = StreamsOf(InspectPass(model_, fed_, Everything(config_), kTopK));
  ASSERT_EQ(told.size(), streams_.size());
  for (size_t r = 0; r < told.size(); ++r) {
    EXPECT_EQ(told[r].stream, static_cast<int>(r));
    EXPECT_EQ(told[r].rate, streams_[r].rate);
    EXPECT_EQ(told[r].stride, streams_[r].stride);
    EXPECT_EQ(told[r].layers, 2);
    EXPECT_EQ(told[r].positions, StreamItems(streams_[r], std::ssize(fed_) + 1));
    EXPECT_EQ(std::ssize(told[r].keys), told[r].positions);
    EXPECT_EQ(std::ssize(told[r].maps), 2 * streams_[r].heads);
  }
}

// An item is made of the places up to its own: what they have read, and no more.
TEST_F(StreamInspectionTest, ItemsStandForWhatTheyWereMadeOf) {
  const auto told = StreamsOf(Pass({}));
  using Kind = AttendedKey::Kind;
  for (const InspectedStack& stack : told) {
    for (int64_t j = 0; j < stack.positions; ++j) {
      const AttendedKey& key = stack.keys[j];
      EXPECT_EQ(key.kind, j == 0 ? Kind::kStart : Kind::kItem);
      // Place p has read the marker and p - 1 bytes.
      const int64_t last = j * stack.stride, first = last - stack.rate + 1;
      EXPECT_EQ(key.bytes.end, std::max<int64_t>(0, last - 1));
      EXPECT_EQ(key.bytes.begin, std::max<int64_t>(0, first - 2));
    }
  }
}

TEST_F(StreamInspectionTest, ItemsSeeThoseThatTheScopeShows) {
  const auto told = StreamsOf(InspectPass(model_, fed_, Everything(config_), kTopK));
  for (const InspectedStack& stack : told) {
    const ScopeSpec spec =
        SpecOf(StreamLevel(config_.levels[0], streams_[stack.stream]), stack.scope);
    for (const AttentionMap& map : stack.maps) {
      for (int64_t j = 0; j < stack.positions; ++j) {
        const AttentionRow& row = map.rows[j];
        double sum = row.rest;
        for (const AttentionLink& link : row.links) {
          EXPECT_LE(link.key, j);
          EXPECT_TRUE(NaiveSees(spec, j, link.key)) << j << " " << link.key;
          sum += link.weight;
        }
        EXPECT_NEAR(sum, 1, 1e-6);
        EXPECT_EQ(std::ssize(row.links), NaiveCount(spec, j, stack.positions));
      }
    }
  }
}

TEST_F(StreamInspectionTest, ThePassIsTheOrdinaryOne) {
  torch::NoGradGuard no_grad;
  const auto ordinary = model_->forward(Items(fed_));
  const auto watched = InspectPass(model_, fed_, Everything(config_), kTopK).logits;
  EXPECT_LE(Largest(watched - ordinary), 1e-12);
  EXPECT_TRUE(torch::equal(model_->forward(Items(fed_)), ordinary));
}

// What the first layer of a stream makes of its items is what the weights make of them.
TEST_F(StreamInspectionTest, WeightsMakeWhatTheStreamMade) {
  torch::NoGradGuard no_grad;
  const auto pass = InspectPass(model_, fed_, Everything(config_), kTopK);
  ASSERT_EQ(config_.levels[0].enc_layers, 0);  // so that bytes enter as they are
  const auto start = model_->level(0).start().view({1, 1, -1});
  const auto u = at::cat({start, pass.activations[0].h}, 1);
  for (const InspectedStack& stack : StreamsOf(pass)) {
    StreamImpl& stream = model_->level(0).streams()->stream(stack.stream);
    std::vector<torch::Tensor> entered;
    for (int64_t j = 0; j < stack.positions; ++j) {
      std::vector<torch::Tensor> places;
      for (int64_t p = j * stack.stride - stack.rate + 1; p <= j * stack.stride; ++p) {
        places.push_back(p < 0 ? at::zeros_like(u[0][0]) : u[0][p]);
      }
      entered.push_back(at::cat(places));
    }
    const auto y = stream.Compress(at::stack(entered)).unsqueeze(0);
    const int64_t dim = y.size(2), heads = streams_[stack.stream].heads;
    const auto made = stream.layer(0).Apply(
        y, [&](const torch::Tensor& qkv, const torch::Tensor&) {
          const auto values = qkv[0].narrow(1, 2 * dim, dim).view({-1, heads, dim / heads});
          auto mixed = at::zeros_like(values);
          for (const AttentionMap& map : stack.maps) {
            if (map.layer > 0) continue;
            for (int64_t j = 0; j < stack.positions; ++j) {
              for (const AttentionLink& link : map.rows[j].links) {
                mixed[j][map.head] += link.weight * values[link.key][map.head];
              }
            }
          }
          return mixed.flatten(1).unsqueeze(0);
        });
    EXPECT_LE(Largest(made - stream.forward(u, {})[0]), 1e-5) << stack.stream;
  }
}

// The layers are those of the decoder that were asked for, heads the stream's own.
TEST_F(StreamInspectionTest, ChoicesNarrowThem) {
  InspectOptions options;
  options.layers = {0};
  options.heads = {1, 2};
  const auto told = StreamsOf(Pass(options));
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].maps.size(), 1u);  // of two heads
  EXPECT_EQ(told[0].maps[0].head, 1);
  EXPECT_EQ(told[1].maps.size(), 0u);  // of one
  EXPECT_EQ(told[2].maps.size(), 2u);
  const auto all = StreamsOf(InspectPass(model_, fed_, Everything(config_), kTopK));
  ExpectEqualMaps(told[2].maps[1], all[2].maps[2]);
}

}  // namespace
}  // namespace strata::testing
