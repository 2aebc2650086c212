#pragma once
// Configs of every kind of level, tiny: what the decoders' property suites run on.

#include <string>
#include <vector>

#include "model/model_config.h"

namespace strata {

struct NamedConfig {
  std::string name;
  ModelConfig config;
};
// Every kind of level, small: block, block-literal, flat, windowed flat, three
// levels, no encoder, blocks that are no power of two, every pool, bridge, position
// scheme and scope; the tree scope at the only level, above and below another one, with and
// without a cap, leaves that are no power of two; those of kOptionFamilies; and
// RandomConfigs() random ones.
// With preset_configs.cc: the presets at their smallest size instead.
std::vector<NamedConfig> SmallConfigs();

}  // namespace strata
