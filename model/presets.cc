#include "model/presets.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/document_config.h"

namespace strata {
namespace {

// The byte level of a block model: as many causal windowed encoder layers as
// decoder layers, blocks of 8 bytes.
LevelConfig ByteLevel(int dim, int heads, int layers, int window) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.enc_layers = layers;
  level.enc_scope = Scope::kWindow;
  level.dec_layers = layers;
  level.dec_scope = Scope::kWindow;
  level.window = window;
  level.block = 8;
  return level;
}

LevelConfig MiddleLevel(int dim, int heads, int enc_layers, int dec_layers,
                        int window) {
  LevelConfig level = ByteLevel(dim, heads, dec_layers, window);
  level.enc_layers = enc_layers;
  return level;
}

LevelConfig GlobalLevel(int dim, int heads, int layers) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.dec_layers = layers;
  level.dec_scope = Scope::kFull;
  return level;
}

// Another width of its feed-forwards: what a router's matrix costs is saved there.
LevelConfig WithFeedForward(int mult, LevelConfig level) {
  level.ff_mult = mult;
  return level;
}

ModelConfig Model(const char* architecture, std::vector<LevelConfig> levels) {
  ModelConfig config;
  config.architecture = architecture;
  config.levels = std::move(levels);
  return config;
}

ModelConfig Block(LevelConfig bytes, LevelConfig global) {
  return Model("block", {bytes, global});
}

ModelConfig Flat(LevelConfig level) { return Model("flat", {level}); }

// Blocks of 4 bytes, and blocks of 8 of those.
ModelConfig ThreeLevel(LevelConfig bytes, LevelConfig middle,
                       LevelConfig global) {
  bytes.block = 4;
  return Model("three-level", {bytes, middle, global});
}

// Yu et al. 2023: no encoder; the bytes of a block, one after another, are the
// global model's item, and the local model sees its own block alone.
ModelConfig Megabyte(LevelConfig bytes, LevelConfig global) {
  bytes.enc_layers = 0;
  bytes.dec_scope = Scope::kBlock;
  bytes.window = 0;
  bytes.pool = PoolKind::kConcat;
  return Model("megabyte", {bytes, global});
}

// Ho et al. 2024: blocks of 4, as many layers in each model, and what the global one
// says about a block enters before its bytes as two vectors.
ModelConfig BlockTransformer(LevelConfig bytes, LevelConfig global) {
  ModelConfig config = Megabyte(bytes, global);
  config.architecture = "block-transformer";
  config.levels[0].block = 4;
  config.levels[0].bridge = BridgeKind::kPrefix;
  config.levels[0].prefix = 2;
  return config;
}

// Nawrot et al. 2021: one width throughout, groups of 4 averaged on the way up
// and repeated on the way down (the paper groups by 2 to 4; 4 divides the rows of
// training). The outer layers are windowed, which the paper's are not: at full
// length they would be the whole cost of decoding.
ModelConfig Hourglass(LevelConfig bytes, LevelConfig global) {
  bytes.block = 4;
  bytes.pool = PoolKind::kMean;
  bytes.bridge = BridgeKind::kRepeat;
  return Model("hourglass", {bytes, global});
}

// Slagle 2024: units end where words do, so the global model runs once a word, and
// its item is what the encoder made of the word's last byte. Words of more than 16
// bytes are cut.
ModelConfig SpaceByte(LevelConfig bytes, LevelConfig global) {
  bytes.block_rule = BlockRule::kSpacelike;
  bytes.block = 16;
  bytes.block_min = 2;
  bytes.pool = PoolKind::kLast;
  bytes.bridge = BridgeKind::kRepeat;
  return Model("spacebyte", {bytes, global});
}

// Hwang, Wang, Gu 2025 (H-Net): units end where a router has learned to, at 6 bytes on
// average if training can have it; attention in place of their state-space layers.
ModelConfig Dynamic(LevelConfig bytes, LevelConfig global) {
  bytes.block_rule = BlockRule::kRouter;
  bytes.block = 16;
  bytes.block_min = 2;
  bytes.block_mean = 6;
  bytes.pool = PoolKind::kLast;
  bytes.bridge = BridgeKind::kRepeat;
  return Model("dynamic", {bytes, global});
}

// lucidrains' simple-hierarchical-transformer: parallel streams at several rates, merged
// after every layer. The base is windowed, and so are all streams but the slowest, as in
// its examples; there items overlap, here one begins where the last one ends, so that a
// stream is as cheap as it is slow.
ModelConfig Multirate(LevelConfig base, std::vector<StreamConfig> streams) {
  base.enc_layers = 0;
  base.block = 0;
  base.streams = std::move(streams);
  return Model("multirate", {base});
}

// The flat model with a tree for its past: leaves of 16 bytes, two vectors a
// node.
ModelConfig Tree(LevelConfig level) {
  level.dec_scope = Scope::kTree;
  level.leaf = 16;
  level.summaries = 2;
  return Model("tree", {level});
}

ModelConfig BlockLiteral() {
  LevelConfig bytes = ByteLevel(128, 4, 1, 0);
  bytes.enc_scope = Scope::kBidirBlock;
  bytes.dec_scope = Scope::kBlock;
  ModelConfig config = Block(bytes, GlobalLevel(128, 4, 2));
  config.architecture = "block-literal";
  return config;
}

struct Preset {
  const char* name;
  ModelConfig config;
};

// Widths are multiples of 16 and heads 32 to 64 wide, which fill vector units.
// Models of one size are within 4 % of the flat one's parameters.
const std::vector<Preset>& Presets() {
  static const auto* presets = new std::vector<Preset>{
      {"block-1m", Block(ByteLevel(128, 4, 1, 32), GlobalLevel(128, 4, 2))},
      {"block-10m", Block(ByteLevel(192, 6, 2, 64), GlobalLevel(384, 6, 5))},
      {"block-20m", Block(ByteLevel(256, 8, 2, 64), GlobalLevel(512, 8, 5))},
      {"block-25m", Block(ByteLevel(320, 10, 2, 64), GlobalLevel(512, 8, 6))},
      {"block-45m", Block(ByteLevel(256, 8, 2, 64), GlobalLevel(768, 12, 6))},
      {"block-124m",
       Block(ByteLevel(384, 12, 2, 64), GlobalLevel(1024, 16, 9))},
      {"block-literal", BlockLiteral()},
      {"block-transformer-1m",
       BlockTransformer(ByteLevel(96, 3, 3, 0), GlobalLevel(128, 4, 3))},
      {"block-transformer-10m",
       BlockTransformer(ByteLevel(192, 6, 5, 0), GlobalLevel(384, 6, 5))},
      {"dynamic-1m", Dynamic(WithFeedForward(3, ByteLevel(128, 4, 1, 32)),
                             GlobalLevel(128, 4, 3))},
      {"dynamic-10m",
       Dynamic(ByteLevel(192, 6, 2, 64), GlobalLevel(448, 7, 4))},
      {"flat-1m", Flat(GlobalLevel(128, 4, 5))},
      {"flat-10m", Flat(GlobalLevel(432, 9, 5))},
      {"flat-20m", Flat(GlobalLevel(528, 11, 6))},
      {"flat-25m", Flat(GlobalLevel(512, 8, 8))},
      {"flat-45m", Flat(GlobalLevel(512, 8, 15))},
      {"flat-124m", Flat(GlobalLevel(896, 14, 13))},
      {"hourglass-1m",
       Hourglass(ByteLevel(128, 4, 1, 64), GlobalLevel(128, 4, 3))},
      {"hourglass-10m",
       Hourglass(ByteLevel(384, 6, 1, 128), GlobalLevel(384, 6, 4))},
      {"megabyte-1m", Megabyte(ByteLevel(96, 3, 2, 0), GlobalLevel(128, 4, 3))},
      {"megabyte-10m",
       Megabyte(ByteLevel(192, 6, 3, 0), GlobalLevel(384, 6, 5))},
      {"multirate-1m", Multirate(WithFeedForward(3, ByteLevel(96, 3, 3, 32)),
                                 {{2, 2, 64, 2, 64}, {8, 8, 96, 3, 0}})},
      {"multirate-10m",
       Multirate(ByteLevel(256, 8, 4, 64),
                 {{2, 2, 128, 4, 64}, {4, 4, 160, 5, 64}, {8, 8, 256, 8, 0}})},
      {"spacebyte-1m",
       SpaceByte(ByteLevel(128, 4, 1, 32), GlobalLevel(128, 4, 3))},
      {"spacebyte-10m",
       SpaceByte(ByteLevel(192, 6, 2, 64), GlobalLevel(448, 7, 4))},
      {"three-level-1m",
       ThreeLevel(ByteLevel(96, 3, 1, 32), ByteLevel(96, 3, 1, 32),
                  GlobalLevel(128, 4, 2))},
      {"three-level-10m",
       ThreeLevel(ByteLevel(192, 6, 2, 32), ByteLevel(320, 10, 1, 32),
                  GlobalLevel(384, 6, 3))},
      {"three-level-45m",
       ThreeLevel(ByteLevel(256, 8, 2, 32), MiddleLevel(512, 8, 1, 2, 64),
                  GlobalLevel(768, 12, 4))},
      {"tree-1m", Tree(GlobalLevel(128, 4, 5))},
      {"tree-10m", Tree(GlobalLevel(432, 9, 5))},
  };
  return *presets;
}

// A family's name alone means its smallest size.
constexpr const char* kFamilies[] = {
    "block",    "block-transformer", "dynamic",   "flat",        "hourglass",
    "megabyte", "multirate",         "spacebyte", "three-level", "tree"};

std::string FullName(absl::string_view name) {
  for (const char* family : kFamilies) {
    if (name == family) return absl::StrCat(name, "-1m");
  }
  return std::string(name);
}

}  // namespace

absl::StatusOr<ModelConfig> PresetConfig(absl::string_view name) {
  for (const Preset& preset : Presets()) {
    if (FullName(name) == preset.name) return preset.config;
  }
  return absl::NotFoundError(absl::StrCat("no preset \"", name, "\"; there are ",
                                          absl::StrJoin(PresetNames(), ", ")));
}

bool IsPresetName(absl::string_view name) {
  return PresetConfig(name).ok() || DocumentPreset(name).ok();
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names(std::begin(kFamilies), std::end(kFamilies));
  for (const Preset& preset : Presets()) names.push_back(preset.name);
  return names;
}

absl::Status ValidateModelName(absl::string_view name) {
  const auto alnum = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c);
  };
  const bool good = !name.empty() && name.size() <= 63 && alnum(name[0]) &&
                    std::all_of(name.begin(), name.end(), [&](char c) {
                      return alnum(c) || c == '-' || c == '_' || c == '.';
                    });
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat("model name is \"", name,
                     "\"; must match [a-z0-9][a-z0-9._-]{0,62}"));
  }
  if (IsPresetName(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model name is \"", name, "\", which is reserved for a preset"));
  }
  return absl::OkStatus();
}

}  // namespace strata
