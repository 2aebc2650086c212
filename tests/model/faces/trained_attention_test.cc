// Which configs may attend to buckets in training, and what a refusal says.

#include "model/trained_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "absl/strings/str_replace.h"
#include "model/document_config.h"
#include "tests/model/bucket_config.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using Level = LevelConfig;

std::string Refusal(const std::string& name, const std::function<void(Level*)>& spoil) {
  ModelConfig config = testing::BucketConfig(name);
  spoil(&config.levels[1]);
  return std::string(ValidateModelConfig(config).message());
}

TEST(TrainedAttentionConfig, IsValidAndRoundTrips) {
  for (const std::string& name : testing::BucketConfigNames()) {
    const ModelConfig config = testing::BucketConfig(name);
    EXPECT_EQ(ValidateModelConfig(config), absl::OkStatus()) << name;
    EXPECT_EQ(ParseModelConfig(ModelConfigToJson(config)).value(), config) << name;
  }
}

TEST(TrainedAttentionConfig, NumbersMustSuitTheKind) {
  EXPECT_THAT(Refusal("lsh", [](Level* l) { l->buckets = 7; }),
              HasSubstr("levels[1].buckets: is 7; must be even"));
  EXPECT_THAT(Refusal("lsh", [](Level* l) { l->hash_rounds = 0; }),
              HasSubstr("levels[1].hash_rounds"));
  EXPECT_THAT(Refusal("routing", [](Level* l) { l->hash_rounds = 1; }),
              HasSubstr("levels[1].hash_rounds"));
  EXPECT_THAT(Refusal("routing", [](Level* l) { l->buckets = 1; }),
              HasSubstr("levels[1].buckets"));
  EXPECT_THAT(Refusal("lsh",
                      [](Level* l) { l->trained_attention = TrainedAttention::kExact; }),
              HasSubstr("levels[1].buckets"));
}

TEST(TrainedAttentionConfig, OtherScopesAndPositionsAreRefusedByName) {
  EXPECT_THAT(Refusal("lsh",
                      [](Level* l) {
                        l->dec_scope = Scope::kWindow;
                        l->window = 40;
                      }),
              HasSubstr("levels[1].dec_scope: is window; must be full where "
                        "trained_attention is lsh"));
  EXPECT_THAT(Refusal("routing",
                      [](Level* l) {
                        l->enc_layers = 1;
                        l->enc_scope = Scope::kLinear;
                      }),
              HasSubstr("levels[1].enc_scope: is linear"));
  EXPECT_THAT(Refusal("routing",
                      [](Level* l) { l->position = FindPositionScheme("alibi"); }),
              HasSubstr("levels[1].position: is alibi"));
  EXPECT_THAT(Refusal("lsh", [](Level* l) { l->dec_layers = 0; }),
              HasSubstr("levels[1].trained_attention: is lsh; must be exact"));
}

TEST(TrainedAttentionConfig, CentroidsAreCounted) {
  ModelConfig config = testing::BucketConfig("routing-top");
  const int64_t with = ParameterCount(config);
  config.levels[1].buckets += 3;
  EXPECT_EQ(ParameterCount(config) - with, 2 * 3 * 20);  // two layers of 20 channels
  EXPECT_EQ(StateBytes(config, 100), StateBytes(testing::BucketConfig("routing-top"), 100));
}

TEST(TrainedAttentionConfig, AClassifierHasItByLevel) {
  DocumentConfig config = DocumentPreset("document").value();
  const std::string plain = DocumentConfigToJson(config);
  EXPECT_THAT(plain, ::testing::Not(HasSubstr("trained_attention")));
  const int64_t without = ParameterCount(config);
  config.document.attention = {TrainedAttention::kRouting, 6, 0};
  EXPECT_EQ(ParameterCount(config) - without, 6 * config.document.dim);
  const std::string json = DocumentConfigToJson(config);
  EXPECT_EQ(ParseDocumentConfig(json).value(), config);
  EXPECT_EQ(ValidateDocumentConfig(config, false), absl::OkStatus());
  EXPECT_THAT(ParseDocumentConfig(absl::StrReplaceAll(json, {{"routing", "router"}}))
                  .status().message(),
              HasSubstr("document.trained_attention: is \"router\""));
  config.document.attention.hash_rounds = 2;
  EXPECT_THAT(ValidateDocumentConfig(config, false).message(),
              HasSubstr("document.hash_rounds"));
}

}  // namespace
}  // namespace strata
