// SmallConfigs of the tests that run on the presets as they are shipped, at their
// smallest size.

#include <algorithm>

#include "model/presets.h"
#include "tests/model/decode/small_configs.h"
#include "tests/model/piece_config.h"
#include "tests/model/small_presets.h"

namespace strata {

std::vector<NamedConfig> SmallConfigs() {
  std::vector<NamedConfig> configs;
  for (std::string name : testing::kSmallPresets) {
    const ModelConfig config = *PresetConfig(name);
    std::replace(name.begin(), name.end(), '-', '_');
    configs.push_back({name, config});
    configs.push_back({name + "_pieces", testing::WithPieces(config)});
  }
  return configs;
}

}  // namespace strata
