#include "model/availability.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/presets.h"
#include "tests/model/faces/slow_streams.h"
#include "tests/model/naive_scope.h"
#include "tests/model/knn_config.h"
#include "tests/model/random_config.h"
#include "tests/model/scope_config.h"
#include "tests/model/stream_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::RandomConfigs;

LevelConfig Bytes(int block) {
  LevelConfig level = PresetConfig("block").value().levels[0];
  level.block = block;
  return level;
}

LevelConfig Top(Scope scope, int layers, int window) {
  LevelConfig level = PresetConfig("flat").value().levels[0];
  level.dec_scope = scope;
  level.dec_layers = layers;
  level.window = window;
  return level;
}

LevelConfig Leafy(int leaf, int height) {
  LevelConfig level = PresetConfig("tree").value().levels[0];
  level.dec_layers = 1;
  level.leaf = leaf;
  level.tree_height = height;
  return level;
}

ModelConfig Config(std::vector<LevelConfig> levels) {
  ModelConfig config = PresetConfig("flat").value();
  config.levels = std::move(levels);
  return config;
}

// The sets, item by item and key by key, with no shortcut: what the pass must
// agree with. A query of a layer joins its visible keys.
using Sets = std::vector<std::vector<bool>>;

struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// The tree, from its definition: a leaf's prefix, and for every set bit of the
// leaf's number the leaves of that node.
KeyRange NodeItems(const LevelConfig& level, int64_t leaf, int bit) {
  const int64_t last = leaf >> bit << bit;
  return {(last - (int64_t{1} << bit)) * level.leaf, last * level.leaf};
}

void JoinRange(const Sets& items, KeyRange keys, std::vector<bool>* out) {
  for (int64_t k = keys.begin; k < keys.end; ++k) {
    for (size_t j = 0; j < out->size(); ++j) {
      if (items[k][j]) (*out)[j] = true;
    }
  }
}

Sets SlowAttend(const Sets& items, const ScopeSpec& spec, const LevelConfig& level) {
  const Scope scope = spec.scope;
  const int64_t n = static_cast<int64_t>(items.size());
  Sets out = items;
  for (int64_t i = 0; scope == Scope::kTree && i < n; ++i) {
    const int64_t leaf = i / level.leaf;
    JoinRange(items, {leaf * level.leaf, i + 1}, &out[i]);
    for (int bit = 0; leaf >> bit > 0; ++bit) {
      if ((leaf >> bit) & 1) {
        JoinRange(items, NodeItems(level, leaf, bit), &out[i]);
      }
    }
  }
  if (scope == Scope::kTree) return out;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      if (testing::NaiveSees(spec, i, j)) {
        JoinRange(items, {j, j + 1}, &out[i]);
      }
      if (testing::NaiveSeesMean(spec, i, j)) {
        JoinRange(items, {j + 1 - spec.rate, j + 1}, &out[i]);
      }
    }
  }
  return out;
}

Sets SlowLevel(const ModelConfig& config, size_t l, const Sets& z, size_t bytes) {
  const LevelConfig& level = config.levels[l];
  Sets h = z;
  for (int i = 0; i < level.repeats * level.enc_layers; ++i) {
    h = SlowAttend(h, SpecOf(level, level.enc_scope), level);
  }
  Sets u(z.size() + 1, std::vector<bool>(bytes, false));
  for (size_t i = 0; i < z.size(); ++i) {
    u[i + 1] = level.enc_scope == Scope::kBidirBlock ? z[i] : h[i];
  }
  ScopeSpec sees = SpecOf(level, level.dec_scope);
  std::vector<size_t> contexts;  // rows of u that predict
  for (size_t i = 0; i < u.size(); ++i) contexts.push_back(i);
  if (l + 1 < config.levels.size()) {
    Sets units(z.size() / level.block, std::vector<bool>(bytes, false));
    for (size_t i = 0; i < units.size() * level.block; ++i) {
      const bool last = i % level.block == size_t(level.block) - 1;
      if (level.pool == PoolKind::kLast && !last) continue;
      for (size_t j = 0; j < bytes; ++j) {
        if (h[i][j]) units[i / level.block][j] = true;
      }
    }
    const Sets o = SlowLevel(config, l + 1, units, bytes);
    const Sets skip = std::move(u);
    u.clear();
    contexts.clear();
    for (size_t i = 0; i < skip.size(); ++i) {
      const bool begins = i % level.block == 0;
      const std::vector<bool>& said = o[i / level.block];
      for (int r = 1; begins && r < level.prefix; ++r) u.push_back(said);
      contexts.push_back(u.size());
      u.push_back(skip[i]);
      for (size_t j = 0; j < bytes; ++j) {
        if (said[j] && (begins || level.prefix == 0)) u.back()[j] = true;
        for (int back = 1; back < level.bridge_window; ++back) {
          const int64_t older = int64_t(i) / level.block - back;
          if (older >= 0 && o[older][j]) u.back()[j] = true;
        }
      }
    }
    if (level.prefix > 1) sees.block += level.prefix - 1;
  }
  testing::SlowStreams streams(level, u);
  for (int i = 0; i < level.repeats * level.dec_layers; ++i) {
    ScopeSpec of_layer = sees;
    if (i + 1 == level.knn_layer) of_layer.window += level.knn_items;
    u = SlowAttend(u, of_layer, level);
    streams.AfterLayer(&u);
  }
  Sets c;
  for (const size_t i : contexts) c.push_back(u[i]);
  return c;
}

TEST(Availability, AgreesWithTheWalkWithoutShortcuts) {
  std::vector<ModelConfig> configs = {
      PresetConfig("block").value(), PresetConfig("block-literal").value(),
      PresetConfig("flat").value(), Config({Bytes(4), Bytes(3), Top(Scope::kFull, 1, 0)}),
      Config({Top(Scope::kWindow, 3, 5)}),
      Config({Bytes(8), Top(Scope::kWindow, 2, 2)}),
      PresetConfig("tree").value(), Config({Bytes(4), Leafy(3, 0)}),
      PresetConfig("block-transformer").value(), testing::KnnConfig("knn")};
  configs[0].levels[0].window = 3;
  configs.push_back(configs[1]);
  configs.back().levels[0].enc_scope = Scope::kBlock;
  for (const Scope scope : testing::OtherScopes()) {
    configs.push_back(testing::ScopeConfig(scope));
  }
  for (const std::string& streams : testing::StreamConfigNames()) {
    configs.push_back(testing::StreamTestConfig(streams));
  }
  for (uint64_t seed = 1; seed <= RandomConfigs(); ++seed) {
    configs.push_back(testing::RandomConfig(seed));
  }
  for (size_t c = 0; c < configs.size(); ++c) {
    constexpr size_t kBytes = 131;  // more than two words; no multiple of a block
    Sets z(kBytes, std::vector<bool>(kBytes, false));
    for (size_t t = 0; t < kBytes; ++t) z[t][t] = true;
    const Sets slow = SlowLevel(configs[c], 0, z, kBytes);
    const auto fast = Availability(configs[c], kBytes);
    for (size_t t = 0; t < kBytes; ++t) {
      for (size_t j = 0; j < kBytes; ++j) {
        ASSERT_EQ(fast[t][j] != 0, slow[t][j]) << c << ": " << t << " " << j;
      }
    }
  }
}

TEST(Availability, PresetsSeeExactlyThePast) {
  for (const std::string& name : PresetNames()) {
    const auto reach = Availability(PresetConfig(name).value(), 67);
    for (size_t t = 0; t < reach.size(); ++t) {
      for (size_t j = 0; j < reach.size(); ++j) {
        ASSERT_EQ(reach[t][j] != 0, j < t) << name << " " << t << " " << j;
      }
    }
  }
}

TEST(Availability, AWindowedFlatModelReachesAsFarAsItsLayersAdd) {
  // Two layers of window 16: the keys reach back 30 items, and the item before
  // the oldest key is the last one seen.
  ModelConfig repeated = Config({Top(Scope::kWindow, 1, 16)});
  repeated.levels[0].repeats = 2;
  EXPECT_EQ(Availability(repeated, 80),
            Availability(Config({Top(Scope::kWindow, 2, 16)}), 80));
  const auto reach = Availability(Config({Top(Scope::kWindow, 2, 16)}), 80);
  for (size_t t = 0; t < 80; ++t) {
    for (size_t j = 0; j < 80; ++j) {
      ASSERT_EQ(reach[t][j] != 0, j < t && t - j <= 31) << t << " " << j;
    }
  }
}

TEST(CheckAvailability, RefusesAMissingBlockShift) {
  for (const char* name : {"block", "block-literal", "block-45m"}) {
    const ModelConfig config = PresetConfig(name).value();
    EXPECT_TRUE(CheckAvailability(config).ok());
    const absl::Status status =
        CheckAvailability(config, {.no_block_shift = true});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), StartsWith("leak: byte 0"));
  }
}

TEST(CheckAvailability, RefusesASkipFromABidirectionalEncoder) {
  const absl::Status status =
      CheckAvailability(PresetConfig("block-literal").value(),
                        {.skip_bidirectional = true});
  EXPECT_THAT(std::string(status.message()), StartsWith("leak: "));
  // A causal encoder may be skipped.
  EXPECT_TRUE(CheckAvailability(PresetConfig("block").value(),
                                {.skip_bidirectional = true})
                  .ok());
}

TEST(CheckAvailability, ACapHidesNothing) {
  for (const int height : {0, 1, 2, 3}) {
    for (const int leaf : {2, 3, 16}) {
      const ModelConfig config = Config({Leafy(leaf, height)});
      EXPECT_TRUE(ValidateModelConfig(config).ok())
          << ValidateModelConfig(config);
      const auto reach = Availability(config, 20 * leaf + 1);
      for (size_t t = 0; t < reach.size(); ++t) {
        for (size_t j = 0; j < reach.size(); ++j) {
          ASSERT_EQ(reach[t][j] != 0, j < t) << height << leaf << t << j;
        }
      }
    }
  }
}

TEST(CheckAvailability, RefusesANodeThatIsSeenOneLeafTooEarly) {
  for (const ModelConfig& config :
       {PresetConfig("tree").value(), Config({Leafy(3, 1)}),
        Config({Bytes(8), Leafy(2, 0)})}) {
    EXPECT_TRUE(CheckAvailability(config).ok());
    const absl::Status status =
        CheckAvailability(config, {.tree_node_early = true});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), StartsWith("leak: "));
  }
}

TEST(CheckAvailability, RefusesABlindSpot) {
  ModelConfig config = Config({Bytes(8), Top(Scope::kFull, 1, 0)});
  config.levels[0].enc_layers = 0;
  config.levels[0].window = 2;
  const absl::Status status = ValidateModelConfig(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("blind spot: byte 0 does not reach the prediction of "
                        "byte 3"));
  // As many blind contexts as the study of this design counted.
  const auto reach = Availability(config, 68);
  int blind = 0;
  for (size_t t = 0; t < reach.size(); ++t) {
    bool sees_all = true;
    for (size_t j = 0; j < t; ++j) sees_all = sees_all && reach[t][j];
    blind += sees_all ? 0 : 1;
  }
  EXPECT_EQ(blind, 41);
}

TEST(CheckAvailability, WindowsMustCoverABlockToTheByte) {
  // L_dec (W_dec - 1) + L_enc (W_enc - 1) >= b - 2 decides.
  for (const int window : {2, 3, 4, 5, 6, 7, 8}) {
    for (const int layers : {0, 1, 2}) {
      ModelConfig config = Config({Bytes(8), Top(Scope::kFull, 1, 0)});
      config.levels[0].enc_layers = layers;
      config.levels[0].window = window;
      EXPECT_EQ(CheckAvailability(config).ok(),
                (1 + layers) * (window - 1) >= 6)
          << window << " " << layers;
    }
  }
}

TEST(CheckAvailability, FiniteReachIsProvenToTheByte) {
  ModelConfig config = Config({Top(Scope::kWindow, 2, 16)});
  config.reach = 31;
  EXPECT_TRUE(CheckAvailability(config).ok()) << CheckAvailability(config);
  config.reach = 32;
  EXPECT_THAT(std::string(CheckAvailability(config).message()),
              HasSubstr("blind spot: byte 0"));
  config.reach = -1;
  EXPECT_THAT(std::string(CheckAvailability(config).message()),
              HasSubstr("blind spot: reach is -1"));
  config.levels[0].window = static_cast<int>(config.max_context) + 1;
  EXPECT_TRUE(CheckAvailability(config).ok());
}

TEST(CheckAvailability, ThreeLevelsLeaveNoHole) {
  EXPECT_TRUE(
      CheckAvailability(Config({Bytes(4), Bytes(4), Top(Scope::kFull, 1, 0)}))
          .ok());
  // A middle level that cannot see its own siblings hides whole blocks.
  ModelConfig config =
      Config({Bytes(4), Bytes(4), Top(Scope::kFull, 1, 0)});
  config.levels[0].window = 4;
  config.levels[1].enc_layers = 0;
  config.levels[1].dec_layers = 0;
  EXPECT_THAT(std::string(CheckAvailability(config).message()),
              HasSubstr("blind spot"));
}

TEST(CheckAvailability, APoolThatTakesTheLastItemNeedsAnEncoder) {
  ModelConfig config = Config({Bytes(8), Top(Scope::kFull, 1, 0)});
  config.levels[0].pool = PoolKind::kLast;
  config.levels[0].window = 8;
  EXPECT_TRUE(CheckAvailability(config).ok()) << CheckAvailability(config);
  config.levels[0].window = 3;  // two layers see less than a block
  EXPECT_THAT(std::string(CheckAvailability(config).message()),
              HasSubstr("blind spot"));
  // However far the decoder's own window hides what the pool leaves out.
  config.levels[0].enc_layers = 0;
  for (const int window : {8, 32, 500}) {
    config.levels[0].window = window;
    EXPECT_THAT(std::string(CheckAvailability(config).message()),
                HasSubstr("blind spot"))
        << window;
  }
  config.levels[0].window = 5000;
  EXPECT_THAT(std::string(CheckAvailability(config).message()),
              HasSubstr("levels[0].window: is 5000"));
}

TEST(CheckAvailability, RandomConfigsAreProvenAndTheirMutantsRefused) {
  int leaking = 0;
  for (uint64_t seed = 1; seed <= RandomConfigs(); ++seed) {
    ModelConfig config = testing::RandomConfig(seed);
    ASSERT_TRUE(ValidateModelConfig(config).ok()) << seed;
    if (config.levels.size() > 1) {
      EXPECT_THAT(std::string(CheckAvailability(config, {.no_block_shift = true})
                                  .message()),
                  StartsWith("leak: "))
          << ModelConfigToJson(config);
      ++leaking;
    }
    // No end was found where the pools fill what strides leave out.
    if (config.reach == testing::kWidestReach) continue;
    if (config.reach > 0) {  // the widest that is true
      ++config.reach;
    } else {
      for (LevelConfig& level : config.levels) {
        for (Scope* scope : {&level.enc_scope, &level.dec_scope}) {
          if (*scope == Scope::kFull || *scope == Scope::kTree ||
              *scope == Scope::kStrided || *scope == Scope::kLinear) {
            *scope = Scope::kWindow;
          }
        }
        level.leaf = level.summaries = level.tree_height = level.stride = 0;
        for (StreamConfig& stream : level.streams) {
          if (stream.window == 0) stream.window = 4;
        }
        level.trained_attention = TrainedAttention::kExact;
        level.buckets = level.hash_rounds = 0;
      }
    }
    EXPECT_THAT(std::string(ValidateModelConfig(config).message()),
                HasSubstr("blind spot"))
        << ModelConfigToJson(config);
  }
  EXPECT_GT(leaking, 0);
}

TEST(CheckAvailability, RefusesAReachTooFarToWalk) {
  ModelConfig config = Config({Top(Scope::kWindow, 8, 4096)});
  config.reach = 4096;
  EXPECT_TRUE(CheckAvailability(config).ok()) << CheckAvailability(config);
  config.reach = 4097;
  EXPECT_THAT(std::string(CheckAvailability(config).message()),
              HasSubstr("reach: is 4097; must be at most 4096"));
}

}  // namespace
}  // namespace strata
