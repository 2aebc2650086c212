#pragma once
// Configs that must be refused, by what the message must say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "model/presets.h"

namespace strata::testing {

// One edit of a valid config, and what the message must say.
struct BadConfig {
  std::function<void(ModelConfig*)> edit;
  const char* message;
};

inline void ExpectRefused(const char* preset, const std::vector<BadConfig>& cases) {
  for (const BadConfig& bad : cases) {
    ModelConfig config = PresetConfig(preset).value();
    bad.edit(&config);
    const absl::Status status = ValidateModelConfig(config);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.message;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(bad.message));
  }
}

}  // namespace strata::testing
