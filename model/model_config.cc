#include "model/model_config.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/availability.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"
#include "model/items.h"
#include "model/knn_rule.h"
#include "model/position_shape.h"
#include "model/segment_rule.h"
#include "model/stack_depth.h"
#include "model/stream_levels.h"
#include "model/trained_attention.h"
#include "model/unit_rule.h"

namespace strata {
namespace {

constexpr int64_t kMaxContext = int64_t{1} << 24;
constexpr int kMaxLevels = 4;
constexpr int kMaxUnitBytes = 1024;  // bounds the availability pass
constexpr int kMaxTreeHeight = 24;
constexpr int kMaxPrefix = 16;
constexpr int kMaxBridgeWindow = 256;

auto Fields(const LevelConfig& l) {
  return std::tie(l.dim, l.heads, l.ff_mult, l.enc_layers, l.enc_scope,
                  l.dec_layers, l.dec_scope, l.window, l.block, l.block_rule,
                  l.block_min, l.block_mean, l.pool, l.bridge, l.prefix, l.bridge_window,
                  l.position, l.position_span, l.dilation, l.stride, l.global_items,
                  l.leaf, l.summaries, l.tree_height, l.repeats, l.ponder,
                  l.exits, l.exit_tolerance, l.gate, l.piece_classes, l.memory,
                  l.memory_rate, l.memory_items, l.trained_attention, l.buckets,
                  l.hash_rounds, l.knn_layer, l.knn_items, l.knn_neighbours,
                  l.knn_gate, l.streams);
}

auto Fields(const ModelConfig& c) {
  return std::tie(c.architecture, c.vocab, c.dropout, c.rope_theta,
                  c.max_context, c.reach, c.ngram_heads);
}

// What a scope of the level needs is there, and nothing else.
absl::Status ValidateParameters(const LevelConfig& level,
                                const std::string& at) {
  for (const ScopeParameter& parameter : ScopeParameters()) {
    const bool used =
        RuleOf(level.enc_scope).parameter == parameter.value ||
        RuleOf(level.dec_scope).parameter == parameter.value;
    STRATA_RETURN_IF_ERROR(InRange(
        at + parameter.name, SpecOf(level, level.dec_scope).*parameter.value,
        used ? parameter.least : 0, used ? parameter.most : 0));
  }
  const int64_t span =
      (int64_t{level.window} - 1) * std::max(1, level.dilation) + 1;
  if (span <= kMaxContext) return absl::OkStatus();
  return BadField(at + "dilation",
                  absl::StrCat("is ", level.dilation, "; its window spans ", span,
                               " items; must span at most ", kMaxContext));
}

absl::Status ValidateScopes(const LevelConfig& level, const std::string& at,
                            bool top) {
  const bool encodes = level.enc_layers > 0;
  const bool decodes = level.dec_layers > 0;
  if (decodes && level.dec_scope == Scope::kBidirBlock) {
    return BadField(at + "dec_scope", "bidir_block is for encoders only");
  }
  const auto needs_block = [](Scope s) {
    return s == Scope::kBlock || s == Scope::kBidirBlock;
  };
  if (top && encodes && needs_block(level.enc_scope)) {
    return BadField(at + "enc_scope", "the top level has no block");
  }
  if (top && decodes && needs_block(level.dec_scope)) {
    return BadField(at + "dec_scope", "the top level has no block");
  }
  const bool windowed = (encodes && RuleOf(level.enc_scope).windowed) ||
                        (decodes && RuleOf(level.dec_scope).windowed);
  STRATA_RETURN_IF_ERROR(
      InRange(at + "window", level.window, windowed ? 1 : 0, kMaxContext));
  return ValidateParameters(level, at);
}

// Units of different lengths: what is built for them.
absl::Status ValidateRaggedUnits(const LevelConfig& level,
                                 const std::string& at, bool byte_level) {
  if (!byte_level) {
    return BadField(at + "block_rule", "must be fixed above the byte level");
  }
  STRATA_RETURN_IF_ERROR(
      InRange(at + "block_min", level.block_min, 2, level.block));
  const bool routed = level.block_rule == BlockRule::kRouter;
  STRATA_RETURN_IF_ERROR(InRange(at + "block_mean", level.block_mean,
                                 routed ? level.block_min : 0,
                                 routed ? level.block : 0));
  if (level.pool != PoolKind::kLast) {
    return BadField(at + "pool", "must be last where block_rule is not fixed");
  }
  const auto of_blocks = [](Scope s) {
    return s == Scope::kBlock || s == Scope::kBidirBlock || s == Scope::kTree;
  };
  for (const auto& [field, scope] : {std::pair("enc_scope", level.enc_scope),
                                     std::pair("dec_scope", level.dec_scope)}) {
    if (!of_blocks(scope)) continue;
    return BadField(at + field,
                    absl::StrCat("is ", RuleOf(scope).name,
                                 "; must not be of blocks or leaves where "
                                 "block_rule is not fixed"));
  }
  return absl::OkStatus();
}

absl::Status ValidatePrefix(const LevelConfig& level, const std::string& at) {
  if (level.bridge != BridgeKind::kPrefix) {
    return InRange(at + "prefix", level.prefix, 0, 0);
  }
  if (level.dec_scope != Scope::kBlock) {
    return BadField(at + "dec_scope",
                    absl::StrCat("is ", RuleOf(level.dec_scope).name,
                                 "; must be block where bridge is prefix"));
  }
  if (level.dec_layers == 0) {
    return BadField(at + "dec_layers",
                    "is 0; must be at least 1 where bridge is prefix");
  }
  return InRange(at + "prefix", level.prefix, 1, kMaxPrefix);
}

// Of one context alone there is nothing to choose from.
absl::Status ValidateBridgeWindow(const LevelConfig& level, const std::string& at) {
  const bool attends = level.bridge == BridgeKind::kAttention;
  return InRange(at + "bridge_window", level.bridge_window, attends ? 2 : 0,
                 attends ? kMaxBridgeWindow : 0);
}

absl::Status ValidateTree(const LevelConfig& level, const std::string& at,
                          int64_t item_bytes) {
  if (level.enc_scope == Scope::kTree) {
    return BadField(at + "enc_scope", "tree is for decoders only");
  }
  if (level.dec_scope != Scope::kTree) {
    STRATA_RETURN_IF_ERROR(InRange(at + "leaf", level.leaf, 0, 0));
    STRATA_RETURN_IF_ERROR(InRange(at + "summaries", level.summaries, 0, 0));
    return InRange(at + "tree_height", level.tree_height, 0, 0);
  }
  STRATA_RETURN_IF_ERROR(
      InRange(at + "leaf", level.leaf, 2, kMaxUnitBytes / item_bytes));
  STRATA_RETURN_IF_ERROR(InRange(at + "summaries", level.summaries, 1, 16));
  return InRange(at + "tree_height", level.tree_height, 0, kMaxTreeHeight);
}

absl::Status ValidatePosition(const ModelConfig& config, int l,
                              const std::string& at) {
  const LevelConfig& level = config.levels[l];
  if (level.dec_scope == Scope::kTree && level.position != &kRopePosition) {
    return BadField(at + "position",
                    absl::StrCat("is ", level.position->name,
                                 "; must be rope where dec_scope is tree"));
  }
  const PositionScheme& scheme = *level.position;
  if ((RuleOf(level.enc_scope).summed || RuleOf(level.dec_scope).summed) &&
      !KnowsNoDistance(scheme)) {
    return BadField(at + "position",
                    absl::StrCat("is ", scheme.name,
                                 "; where a scope is linear it must not weigh "
                                 "distances, which a sum over keys has not"));
  }
  const int64_t least = scheme.log_scale != nullptr ? LeastFadingSpan(config, l)
                        : scheme.adaptive           ? LeastSight(config, l)
                                          : std::min<int64_t>(1, scheme.max_span);
  const absl::Status range = InRange(at + "position_span", level.position_span,
                                     least, scheme.max_span);
  if (range.ok()) return range;
  return absl::InvalidArgumentError(
      absl::StrCat(range.message(), " where position is ", scheme.name,
                   scheme.adaptive ? " and scopes and max_context as they are"
                   : least > 1     ? " and max_context as it is"
                                   : ""));
}

absl::Status ValidateLevel(const LevelConfig& level, const std::string& at,
                           bool byte_level, bool top) {
  STRATA_RETURN_IF_ERROR(
      CheckWidths(at, level.dim, level.heads, level.ff_mult));
  STRATA_RETURN_IF_ERROR(InRange(at + "enc_layers", level.enc_layers, 0,
                                 kMaxLayers));
  STRATA_RETURN_IF_ERROR(InRange(at + "dec_layers", level.dec_layers, 0,
                                 kMaxLayers));
  STRATA_RETURN_IF_ERROR(CheckDepth(level, at, byte_level));
  if (top && level.block != 0) {
    return BadField(at + "block",
                    absl::StrCat("is ", level.block,
                                 "; must be 0 at the top level"));
  }
  if (!top) STRATA_RETURN_IF_ERROR(InRange(at + "block", level.block, 2, 256));
  if (top && level.pool != PoolKind::kAttention) {
    return BadField(at + "pool", "the top level has nothing to pool for");
  }
  if (top && level.bridge != BridgeKind::kLinear) {
    return BadField(at + "bridge", "the top level has no level above");
  }
  STRATA_RETURN_IF_ERROR(ValidatePrefix(level, at));
  STRATA_RETURN_IF_ERROR(ValidateBridgeWindow(level, at));
  const bool ragged = level.block_rule != BlockRule::kFixed;
  if (top && ragged) {
    return BadField(at + "block_rule", "must be fixed at the top level");
  }
  if (ragged) {
    STRATA_RETURN_IF_ERROR(ValidateRaggedUnits(level, at, byte_level));
  } else if (level.block_min != 0) {
    return BadField(at + "block_min", "must be 0 where block_rule is fixed");
  } else if (level.block_mean != 0) {
    return BadField(at + "block_mean", "must be 0 where block_rule is fixed");
  }
  return ValidateScopes(level, at, top);
}

absl::Status ValidatePieces(const LevelConfig& level, const std::string& at,
                            int vocab) {
  const absl::Status status = CheckPieceClasses(level, vocab);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(at, status.message()));
}

absl::Status ValidateScalars(const ModelConfig& config) {
  if (config.architecture.empty() || config.architecture.size() > 64) {
    return BadField("architecture", "must be a name of 1 to 64 bytes");
  }
  STRATA_RETURN_IF_ERROR(InRange("vocab", config.vocab, kVocab, kMaxVocab));
  STRATA_RETURN_IF_ERROR(CheckDropout(config.dropout));
  STRATA_RETURN_IF_ERROR(CheckRopeTheta(config.rope_theta));
  STRATA_RETURN_IF_ERROR(
      InRange("max_context", config.max_context, 1, kMaxContext));
  if (config.reach != -1) {
    STRATA_RETURN_IF_ERROR(
        InRange("reach", config.reach, 1, config.max_context));
  }
  return InRange("ngram_heads", config.ngram_heads, 0, kMaxNgramHeads);
}

}  // namespace

bool StreamConfig::operator==(const StreamConfig& other) const {
  return rate == other.rate && stride == other.stride && dim == other.dim &&
         heads == other.heads && window == other.window;
}

bool ModelConfig::operator==(const ModelConfig& other) const {
  if (Fields(*this) != Fields(other)) return false;
  if (levels.size() != other.levels.size()) return false;
  for (size_t l = 0; l < levels.size(); ++l) {
    if (Fields(levels[l]) != Fields(other.levels[l])) return false;
  }
  return true;
}

absl::Status ValidateModelConfig(const ModelConfig& config) {
  STRATA_RETURN_IF_ERROR(ValidateScalars(config));
  const int count = static_cast<int>(config.levels.size());
  if (count < 1 || count > kMaxLevels) {
    return BadField("levels",
                    absl::StrCat("has ", count, " entries; must have 1 to ",
                                 kMaxLevels));
  }
  for (int l = 0; l < count; ++l) {
    STRATA_RETURN_IF_ERROR(ValidateLevel(
        config.levels[l], absl::StrCat("levels[", l, "]."), l == 0,
        l == count - 1));
    STRATA_RETURN_IF_ERROR(ValidatePieces(
        config.levels[l], absl::StrCat("levels[", l, "]."), config.vocab));
  }
  if (count > 2 && config.levels[0].block_rule != BlockRule::kFixed) {
    return BadField("levels[0].block_rule",
                    "must be fixed in a model of more than two levels");
  }
  const int64_t unit = ItemBytes(config, count - 1);
  if (unit > kMaxUnitBytes) {
    return BadField("levels",
                    absl::StrCat("a top unit covers ", unit,
                                 " bytes; must cover at most ", kMaxUnitBytes));
  }
  for (int l = 0; l < count; ++l) {
    STRATA_RETURN_IF_ERROR(ValidateTree(config.levels[l],
                                        absl::StrCat("levels[", l, "]."),
                                        ItemBytes(config, l)));
    STRATA_RETURN_IF_ERROR(
        ValidatePosition(config, l, absl::StrCat("levels[", l, "].")));
    STRATA_RETURN_IF_ERROR(CheckTrainedAttention(
        config.levels[l], absl::StrCat("levels[", l, "].")));
  }
  STRATA_RETURN_IF_ERROR(ValidateKnn(config));
  STRATA_RETURN_IF_ERROR(ValidateMemory(config));
  STRATA_RETURN_IF_ERROR(ValidateStreams(config));
  return CheckAvailability(config);
}

ScopeSpec SpecOf(const LevelConfig& level, Scope scope) {
  if (scope == Scope::kWindow && level.memory == MemoryKind::kCompressive) {
    scope = Scope::kCompressive;
  }
  return {scope,
          level.window,
          scope == Scope::kTree ? level.leaf : level.block,
          level.dilation,
          level.stride,
          level.global_items,
          level.memory_rate,
          level.memory_items};
}

TreeShape TreeOf(const LevelConfig& level) {
  return {level.leaf, level.summaries, level.tree_height};
}

int64_t ItemBytes(const ModelConfig& config, int level) {
  int64_t bytes = 1;
  for (int l = 0; l < level; ++l) bytes *= config.levels[l].block;
  return bytes;
}

int64_t MaxItems(const ModelConfig& config, int level, int64_t bytes) {
  int64_t items = bytes;
  for (int l = 0; l < level; ++l) {
    const LevelConfig& below = config.levels[l];
    items /= below.block_rule == BlockRule::kFixed ? below.block
                                                   : below.block_min;
  }
  return items;
}

int64_t DocumentAlignment(const ModelConfig& config) {
  if (config.levels[0].block_rule != BlockRule::kFixed) return 1;
  return ItemBytes(config, static_cast<int>(config.levels.size()) - 1) *
         StreamPeriod(config.levels[0]);
}

}  // namespace strata
