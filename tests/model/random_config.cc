#include "tests/model/random_config.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "model/availability.h"
#include "model/base/random.h"
#include "model/stack_depth.h"

namespace strata::testing {
namespace {

class Draws {
 public:
  Draws(uint64_t seed, uint64_t attempt) : seed_(seed), attempt_(attempt) {}
  // A number of [low, high].
  int In(int low, int high) {
    const auto range = static_cast<uint64_t>(high - low + 1);
    return low + static_cast<int>(RandomBits(seed_, attempt_, next_++) % range);
  }
  template <typename E>
  E Of(std::initializer_list<E> choices) {
    return choices.begin()[In(0, static_cast<int>(choices.size()) - 1)];
  }

 private:
  const uint64_t seed_, attempt_;
  uint64_t next_ = 0;
};

LevelConfig DrawLevel(Draws* draw, bool top) {
  LevelConfig level;
  level.heads = draw->In(1, 3);
  // Of four elements a norm may be next to nothing, and division by it makes float's
  // rounding large.
  level.dim = std::max(6, 2 * level.heads * draw->In(2, 5));
  level.ff_mult = draw->In(1, 2);
  level.enc_layers = draw->In(0, 2);
  level.dec_layers = draw->In(0, 2);
  if (top) {
    level.enc_scope = draw->Of({Scope::kFull, Scope::kWindow, Scope::kDilated,
                                Scope::kStrided, Scope::kGlobalLocal, Scope::kLinear});
    level.dec_scope = draw->Of({Scope::kFull, Scope::kWindow, Scope::kTree,
                                Scope::kDilated, Scope::kStrided,
                                Scope::kGlobalLocal, Scope::kLinear});
  } else {
    level.enc_scope = draw->Of({Scope::kFull, Scope::kWindow, Scope::kBlock,
                                Scope::kBidirBlock, Scope::kDilated,
                                Scope::kStrided, Scope::kGlobalLocal,
                                Scope::kLinear});
    level.dec_scope = draw->Of({Scope::kFull, Scope::kWindow, Scope::kBlock,
                                Scope::kWindow, Scope::kTree, Scope::kDilated,
                                Scope::kStrided, Scope::kGlobalLocal,
                                Scope::kLinear});
    level.block = draw->In(2, 5);
    level.pool = draw->Of({PoolKind::kAttention, PoolKind::kMean,
                           PoolKind::kLast, PoolKind::kConcat});
    level.bridge = draw->Of(
        {BridgeKind::kLinear, BridgeKind::kRepeat, BridgeKind::kAttention});
  }
  if (!top && draw->In(0, 4) == 0) {
    level.bridge = BridgeKind::kPrefix;
    level.prefix = draw->In(1, 4);
    level.dec_scope = Scope::kBlock;
    level.dec_layers = std::max(level.dec_layers, 1);
  }
  if (level.bridge == BridgeKind::kAttention) level.bridge_window = draw->In(2, 4);
  level.window = draw->In(2, 9);
  SetScopeParameters(draw->In(1, 6), &level);
  if (level.dec_scope == Scope::kTree) {
    level.leaf = draw->In(2, 5);
    level.summaries = draw->In(1, 3);
    level.tree_height = draw->In(0, 2);
  }
  level.position = PositionSchemes()[draw->In(
      0, static_cast<int>(PositionSchemes().size()) - 1)];
  const bool summed = RuleOf(level.enc_scope).summed || RuleOf(level.dec_scope).summed;
  if (level.dec_scope == Scope::kTree || (summed && !KnowsNoDistance(*level.position))) {
    level.position = &kRopePosition;
  }
  // At least max_context / 64 for xpos; texts of the suites go beyond the others.
  if (level.position->max_span > 0) {
    level.position_span =
        level.position->log_scale != nullptr ? 65 + draw->In(0, 60) : draw->In(1, 40);
  }
  // Not less than its scopes look back, which is all that it may hold where one is full.
  if (level.position->adaptive) level.position_span += 4 * 4096;
  return level;
}

void CutRaggedUnits(bool routed, ModelConfig* config) {
  LevelConfig& bytes = config->levels[0];
  bytes.block_rule = routed ? BlockRule::kRouter : BlockRule::kSpacelike;
  bytes.block_min = 2;
  bytes.block += 2;
  if (routed) bytes.block_mean = 3;
  bytes.pool = PoolKind::kLast;
}

// With windows in place of scopes that no segment can carry.
void CarryMemory(Draws* draw, ModelConfig* config) {
  const auto bound = [](Scope* scope) {
    const bool blocks = *scope == Scope::kBlock || *scope == Scope::kBidirBlock;
    if (!blocks && *scope != Scope::kDilated) *scope = Scope::kWindow;
  };
  for (LevelConfig& level : config->levels) {
    level.memory = MemoryKind::kSegment;
    if (level.gate == GateKind::kReversible) level.gate = GateKind::kResidual;
    bound(&level.enc_scope);
    bound(&level.dec_scope);
    if (draw->In(0, 1) == 0) {
      level.memory = MemoryKind::kCompressive;
      level.memory_rate = draw->In(2, std::min(level.window, 4));
      level.memory_items = draw->In(1, 4);
      if (level.enc_scope == Scope::kDilated) level.enc_scope = Scope::kWindow;
      if (level.dec_scope == Scope::kDilated) level.dec_scope = Scope::kWindow;
    }
    level.leaf = level.summaries = level.tree_height = 0;
    SetScopeParameters(level.dilation, &level);
    if (level.position->entrance == EntranceRows::kNone) continue;
    level.position = &kRopePosition;
    level.position_span = 0;
  }
}

// Neighbours behind windows, where they may be.
void LookBehindWindows(Draws* draw, ModelConfig* config) {
  for (LevelConfig& level : config->levels) {
    const bool may = level.dec_layers > 0 && level.dec_scope == Scope::kWindow &&
                     level.repeats == 1 && level.memory != MemoryKind::kCompressive &&
                     level.gate != GateKind::kReversible;
    if (!may || draw->In(0, 1) == 1) continue;
    level.knn_layer = draw->In(1, level.dec_layers);
    level.knn_items = draw->In(1, 40);
    level.knn_neighbours = draw->In(1, std::min(level.knn_items, 6));
    level.knn_gate = draw->Of({KnnGate::kHead, KnnGate::kContext});
  }
}

// Beside a decoder that has nothing they do not go with.
void AddStreams(Draws* draw, LevelConfig* bytes) {
  bytes->dec_layers = std::max(bytes->dec_layers, 1);
  bytes->repeats = 1;
  bytes->ponder = 0;
  bytes->exits = 0;
  if (bytes->gate == GateKind::kReversible) bytes->gate = GateKind::kResidual;
  const int count = draw->In(1, 3);
  for (int r = 0; r < count; ++r) {
    StreamConfig stream;
    stream.stride = draw->In(1, 4);
    stream.rate = std::max(2, stream.stride * draw->In(1, 3));
    stream.heads = draw->In(1, 2);
    stream.dim = 2 * stream.heads * draw->In(3, 5);
    stream.window = stream.stride == stream.rate && draw->In(0, 1) == 0
                        ? 0
                        : draw->In(1, 6);
    bytes->streams.push_back(stream);
  }
}

// Where a level sees everything, training may see less.
void AttendToBuckets(Draws* draw, LevelConfig* level) {
  const TrainedAttention kind =
      draw->Of({TrainedAttention::kLsh, TrainedAttention::kRouting});
  const int buckets = 2 * draw->In(1, 3), rounds = draw->In(1, 3);
  const auto full = [](int layers, Scope scope) {
    return layers == 0 || scope == Scope::kFull;
  };
  if (level->enc_layers + level->dec_layers == 0 || !KnowsNoDistance(*level->position) ||
      !full(level->enc_layers, level->enc_scope) ||
      !full(level->dec_layers, level->dec_scope)) {
    return;
  }
  level->trained_attention = kind;
  level->buckets = buckets;
  level->hash_rounds = kind == TrainedAttention::kLsh ? rounds : 0;
}

}  // namespace

int64_t WidestReach(const ModelConfig& config) {
  const auto seen = Availability(Shallowest(config), kWidestReach);
  int64_t reach = kWidestReach;
  for (int64_t t = 0; t < kWidestReach; ++t) {
    for (int64_t j = t - 1; j >= std::max<int64_t>(0, t - reach); --j) {
      if (!seen[t][j]) reach = t - j - 1;
    }
  }
  return reach;
}

void SetScopeParameters(int size, LevelConfig* level) {
  int* const values[] = {&level->dilation, &level->stride, &level->global_items};
  for (size_t i = 0; i < ScopeParameters().size(); ++i) {
    const ScopeParameter& parameter = ScopeParameters()[i];
    const bool used = RuleOf(level->enc_scope).parameter == parameter.value ||
                      RuleOf(level->dec_scope).parameter == parameter.value;
    *values[i] = used ? std::max(size, parameter.least) : 0;
  }
}

ModelConfig RandomConfig(uint64_t seed) {
  for (uint64_t attempt = 0;; ++attempt) {
    Draws draw(seed, attempt);
    ModelConfig config;
    config.architecture = "random-" + std::to_string(seed);
    config.max_context = 4096;
    const int levels = draw.In(1, 3);
    for (int l = 0; l < levels; ++l) {
      config.levels.push_back(DrawLevel(&draw, l + 1 == levels));
    }
    if (levels == 2) {
      const int rule = draw.In(0, 3);
      if (rule > 1) CutRaggedUnits(rule == 3, &config);
    }
    config.ngram_heads = draw.In(0, 2);
    for (LevelConfig& level : config.levels) {
      level.repeats = draw.Of({1, 1, 2, 3});
      if (level.repeats > 1 && draw.In(0, 1) == 1) level.ponder = 0.1;
      level.gate = draw.Of({GateKind::kResidual, GateKind::kReversible, GateKind::kGru});
      const bool two = level.gate == GateKind::kReversible;
      if (two && level.ponder > 0) level.gate = GateKind::kResidual;
    }
    LevelConfig& bytes = config.levels[0];
    if (bytes.repeats == 1 && bytes.dec_layers == 2 &&
        bytes.gate != GateKind::kReversible) {
      bytes.exits = draw.In(0, 1);
    }
    const bool fixed = config.levels[0].block_rule == BlockRule::kFixed;
    if (draw.In(0, 3) == 0 && fixed) {
      CarryMemory(&draw, &config);
    } else if (levels == 1 && draw.In(0, 2) > 0) {
      AddStreams(&draw, &bytes);
    }
    if (bytes.streams.empty()) LookBehindWindows(&draw, &config);
    for (LevelConfig& level : config.levels) AttendToBuckets(&draw, &level);
    if (ValidateModelConfig(config).ok()) return config;
    // Which bytes a finite reach covers depends on where units end.
    if (config.levels[0].block_rule != BlockRule::kFixed) continue;
    config.reach = WidestReach(config);
    if (config.reach > 0 && ValidateModelConfig(config).ok()) return config;
  }
}

bool InALongRun() { return std::getenv("STRATA_RANDOM_CONFIGS") != nullptr; }

uint64_t RandomConfigs() {
  return InALongRun() ? std::stoull(std::getenv("STRATA_RANDOM_CONFIGS")) : 12;
}

}  // namespace strata::testing
