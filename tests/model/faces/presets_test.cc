#include "model/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "model/items.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

const std::map<std::string, double>& Sizes() {
  static const auto* sizes = new std::map<std::string, double>{
      {"1m", 1e6},   {"10m", 10e6}, {"20m", 20e6},
      {"25m", 25e6}, {"45m", 45e6}, {"124m", 124e6}};
  return *sizes;
}

TEST(Presets, EveryOneIsValidAndSeesEverything) {
  for (const std::string& name : PresetNames()) {
    const auto config = PresetConfig(name);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(ValidateModelConfig(*config).ok())
        << name << ": " << ValidateModelConfig(*config);
    EXPECT_EQ(config->reach, -1) << name;
    EXPECT_EQ(config->vocab, kVocab) << name;
    EXPECT_TRUE(IsPresetName(name));
  }
}

TEST(Presets, PairsOfASizeAreWithinThreePercent) {
  for (const auto& [suffix, nominal] : Sizes()) {
    const auto count = [&](absl::string_view family) {
      return static_cast<double>(ParameterCount(
          PresetConfig(absl::StrCat(family, "-", suffix)).value()));
    };
    const double block = count("block");
    const double flat = count("flat");
    EXPECT_LT(std::abs(block - flat) / std::min(block, flat), 0.03) << suffix;
    EXPECT_LT(std::abs(block / nominal - 1), 0.15) << suffix << " " << block;
    EXPECT_LT(std::abs(flat / nominal - 1), 0.15) << suffix << " " << flat;
  }
}

TEST(Presets, OtherFamiliesAreWithinFourPercentOfTheFlatOne) {
  for (const char* family : {"block-transformer", "dynamic", "hourglass", "megabyte",
                             "multirate", "spacebyte", "three-level", "tree"}) {
    EXPECT_TRUE(PresetConfig(family).value() ==
                PresetConfig(absl::StrCat(family, "-1m")).value());
    for (const auto& [suffix, nominal] : Sizes()) {
      const auto config = PresetConfig(absl::StrCat(family, "-", suffix));
      if (!config.ok()) continue;
      const double flat = static_cast<double>(
          ParameterCount(PresetConfig(absl::StrCat("flat-", suffix)).value()));
      EXPECT_LT(std::abs(ParameterCount(*config) / flat - 1), 0.04)
          << family << "-" << suffix << " " << ParameterCount(*config);
    }
  }
}

TEST(Presets, WidthsFillVectorUnits) {
  for (const std::string& name : PresetNames()) {
    const ModelConfig config = PresetConfig(name).value();
    for (const LevelConfig& level : config.levels) {
      EXPECT_EQ(level.dim % 16, 0) << name;
      const int head = level.dim / level.heads;
      EXPECT_EQ(head * level.heads, level.dim) << name;
      EXPECT_EQ(head % 16, 0) << name;
      EXPECT_GE(head, 32) << name;
      EXPECT_LE(head, 64) << name;
    }
  }
}

TEST(Presets, TheSmallDefaultIsTheOnePromised) {
  const ModelConfig block = PresetConfig("block").value();
  EXPECT_TRUE(block == PresetConfig("block-1m").value());
  EXPECT_TRUE(PresetConfig("flat").value() == PresetConfig("flat-1m").value());
  ASSERT_EQ(block.levels.size(), 2u);
  EXPECT_EQ(block.levels[0].block, 8);
  EXPECT_EQ(block.levels[0].dim, 128);
  EXPECT_EQ(block.levels[0].heads, 4);
  EXPECT_EQ(block.levels[0].enc_layers + block.levels[0].dec_layers, 2);
  EXPECT_EQ(block.levels[0].enc_scope, Scope::kWindow);
  EXPECT_EQ(block.levels[1].dec_layers, 2);
  EXPECT_EQ(block.levels[1].dec_scope, Scope::kFull);
  const ModelConfig literal = PresetConfig("block-literal").value();
  EXPECT_EQ(literal.levels[0].enc_scope, Scope::kBidirBlock);
  EXPECT_EQ(literal.levels[0].dec_scope, Scope::kBlock);
}

TEST(Presets, AnUnknownNameListsTheKnownOnes) {
  const absl::Status status = PresetConfig("block-3m").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("block-literal"));
  EXPECT_FALSE(IsPresetName(""));
  EXPECT_FALSE(IsPresetName("Block"));
}

TEST(ValidateModelName, TakesPlainNamesAndNoPreset) {
  for (const char* name : {"a", "my-model", "7b.v2_x", "blocky"}) {
    EXPECT_TRUE(ValidateModelName(name).ok()) << name;
  }
  for (const char* name : {"", ".tmp-a", "-a", "A", "a/b", "a@1", "a b", "..",
                           "block", "flat-10m", "block-literal"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateModelName(name))) << name;
  }
  EXPECT_TRUE(ValidateModelName(std::string(63, 'a')).ok());
  EXPECT_FALSE(ValidateModelName(std::string(64, 'a')).ok());
}

}  // namespace
}  // namespace strata
