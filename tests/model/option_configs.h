#pragma once
// Hand-picked configs of options of the architecture, family by family. A new family is a
// line here: all suites that go through configs run it.

#include <string>
#include <vector>

#include "model/model_config.h"
#include "tests/model/bridge_config.h"
#include "tests/model/bucket_config.h"
#include "tests/model/knn_config.h"
#include "tests/model/memory_config.h"
#include "tests/model/stack_config.h"
#include "tests/model/stream_config.h"

namespace strata::testing {

struct OptionFamily {
  std::vector<std::string> (*names)();
  ModelConfig (*make)(const std::string& name);
};

inline constexpr OptionFamily kOptionFamilies[] = {
    {StackConfigNames, StackConfig},   {BridgeConfigNames, BridgeConfig},
    {BucketConfigNames, BucketConfig}, {MemoryConfigNames, MemoryConfig},
    {KnnConfigNames, KnnConfig},       {StreamConfigNames, StreamTestConfig},
};

}  // namespace strata::testing
