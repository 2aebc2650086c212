#include "model/presets.h"

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

LevelConfig GlobalLevel(int dim, int heads, int layers) {
  LevelConfig level;
  level.dim = dim;
  level.heads = heads;
  level.dec_layers = layers;
  level.dec_scope = Scope::kFull;
  return level;
}

ModelConfig Block(LevelConfig bytes, LevelConfig global) {
  ModelConfig config;
  config.architecture = "block";
  config.levels = {bytes, global};
  return config;
}

ModelConfig Flat(LevelConfig level) {
  ModelConfig config;
  config.architecture = "flat";
  config.levels = {level};
  return config;
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

// Widths are multiples of 16 and heads 32 to 64 wide, which fill vector units;
// a block model and the flat one of its size are within 3 % in parameters.
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
      {"flat-1m", Flat(GlobalLevel(128, 4, 5))},
      {"flat-10m", Flat(GlobalLevel(432, 9, 5))},
      {"flat-20m", Flat(GlobalLevel(528, 11, 6))},
      {"flat-25m", Flat(GlobalLevel(512, 8, 8))},
      {"flat-45m", Flat(GlobalLevel(512, 8, 15))},
      {"flat-124m", Flat(GlobalLevel(896, 14, 13))},
  };
  return *presets;
}

absl::string_view FullName(absl::string_view name) {
  if (name == "block") return "block-1m";
  if (name == "flat") return "flat-1m";
  return name;
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
  std::vector<std::string> names = {"block", "flat"};
  for (const Preset& preset : Presets()) names.push_back(preset.name);
  return names;
}

}  // namespace strata
