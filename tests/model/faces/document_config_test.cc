#include "model/document_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/str_replace.h"
#include "model/classifier.h"
#include "model/presets.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

DocumentConfig Labelled() {
  DocumentConfig config = DocumentPreset("document").value();
  config.labels = {"neg", "pos"};
  return config;
}

TEST(DocumentConfig, PresetIsValidReservedAndRoundTrips) {
  EXPECT_TRUE(IsPresetName("document"));
  EXPECT_FALSE(PresetConfig("document").ok());  // it does not generate
  EXPECT_TRUE(absl::IsNotFound(DocumentPreset("block").status()));
  const DocumentConfig config = Labelled();
  EXPECT_EQ(ValidateDocumentConfig(config, true), absl::OkStatus());
  const std::string json = DocumentConfigToJson(config);
  EXPECT_EQ(ParseDocumentConfig(json).value(), config);
  EXPECT_TRUE(IsDocumentConfig(json));
  EXPECT_FALSE(
      IsDocumentConfig(ModelConfigToJson(PresetConfig("block").value())));
  EXPECT_FALSE(IsDocumentConfig("{"));
  EXPECT_FALSE(IsDocumentConfig(std::string(100'000, '[')));
  EXPECT_FALSE(IsDocumentConfig("[1]"));
}

TEST(DocumentConfig, JsonIsStrict) {
  const std::string good = DocumentConfigToJson(Labelled());
  const auto broken = [&](const char* from, const char* to) {
    return ParseDocumentConfig(absl::StrReplaceAll(good, {{from, to}}))
        .status();
  };
  EXPECT_THAT(broken("\"dropout\"", "\"drop\"").message(),
              HasSubstr("dropout"));
  EXPECT_THAT(broken("\"layers\"", "\"layer\"").message(),
              HasSubstr("sentence."));
  EXPECT_THAT(broken("\"document\",", "\"flat\",").message(),
              HasSubstr("architecture"));
  EXPECT_THAT(broken("\"neg\"", "7").message(), HasSubstr("labels"));
}

TEST(DocumentConfig, ErrorsNameTheField) {
  const auto message = [](const std::function<void(DocumentConfig*)>& spoil) {
    DocumentConfig config = Labelled();
    spoil(&config);
    return std::string(ValidateDocumentConfig(config, true).message());
  };
  using C = DocumentConfig;
  EXPECT_THAT(message([](C* c) { c->sentence.dim = 63; }),
              HasSubstr("sentence.dim"));
  EXPECT_THAT(message([](C* c) { c->document.heads = 0; }),
              HasSubstr("document.heads"));
  EXPECT_THAT(message([](C* c) { c->max_sentence_bytes = 3; }),
              HasSubstr("max_sentence_bytes"));
  EXPECT_THAT(message([](C* c) { c->ngram_max = 2; }), HasSubstr("ngram_max"));
  EXPECT_THAT(message([](C* c) { c->labels = {"one"}; }), HasSubstr("labels"));
  EXPECT_THAT(message([](C* c) { c->labels = {"b", "a"}; }),
              HasSubstr("labels[1]"));
  EXPECT_THAT(message([](C* c) { c->labels = {"", "a"}; }),
              HasSubstr("labels[0]"));
}

TEST(DocumentConfig, ScopesRoundTripAndAreChecked) {
  DocumentConfig config = Labelled();
  config.sentence.scope = {.scope = DocumentScope::kLinformer, .projected = 256};
  config.document.scope = {.scope = DocumentScope::kBigBird,
                           .window = 16,
                           .global_items = 2,
                           .random_blocks = 3};
  EXPECT_EQ(ValidateDocumentConfig(config, true), absl::OkStatus());
  const std::string json = DocumentConfigToJson(config);
  EXPECT_EQ(ParseDocumentConfig(json).value(), config);
  EXPECT_THAT(ParseDocumentConfig(absl::StrReplaceAll(json, {{"bigbird", "bird"}}))
                  .status().message(),
              HasSubstr("scope: is \"bird\"; must be full, linformer, etc or bigbird"));
  const auto message = [&](const std::function<void(DocumentConfig*)>& spoil) {
    DocumentConfig other = config;
    spoil(&other);
    return std::string(ValidateDocumentConfig(other, true).message());
  };
  using C = DocumentConfig;
  EXPECT_THAT(message([](C* c) { c->sentence.scope.projected = 257; }),
              HasSubstr("sentence.projected"));
  EXPECT_THAT(message([](C* c) { c->sentence.scope.window = 4; }),
              HasSubstr("sentence.window: is 4; must be left out where scope is linformer"));
  EXPECT_THAT(message([](C* c) { c->document.scope.window = 171; }),
              HasSubstr("global_items is 1028; must be at most the 1024 items"));
  EXPECT_THAT(message([](C* c) { c->document.scope.global_items = 0; }),
              HasSubstr("document.global_items: is missing: where scope is bigbird it "
                        "must be in [1, 64]"));
  EXPECT_THAT(message([](C* c) { c->document.scope.scope = DocumentScope::kEtc; }),
              HasSubstr("document.random_blocks"));
  EXPECT_THAT(message([](C* c) {
                c->document.attention = {TrainedAttention::kRouting, 8, 0};
              }),
              HasSubstr("document.scope: is bigbird; must be full"));
}

// Weights hold a hash of their config's text: that of a config that says nothing of what
// came later must stay.
TEST(DocumentConfig, TextOfOlderConfigsStays) {
  DocumentConfig config = Labelled();
  config.word_buckets = 0;
  EXPECT_EQ(DocumentConfigToJson(config), R"({
  "architecture": "document",
  "sentence": {
    "dim": 64,
    "heads": 2,
    "ff_mult": 4,
    "layers": 1
  },
  "document": {
    "dim": 128,
    "heads": 4,
    "ff_mult": 4,
    "layers": 1
  },
  "ngram_min": 3,
  "ngram_max": 6,
  "ngram_buckets": 16384,
  "dropout": 0.1,
  "rope_theta": 10000.0,
  "max_sentence_bytes": 256,
  "max_sentences": 1024,
  "max_text_bytes": 65536,
  "labels": [
    "neg",
    "pos"
  ]
}
)");
}

TEST(DocumentConfig, KnownLabels) {
  EXPECT_EQ(CheckKnownLabels(Labelled(), {"pos"}), absl::OkStatus());
  EXPECT_THAT(CheckKnownLabels(Labelled(), {"neg", "so-so"}).message(),
              HasSubstr("\"so-so\""));
}

TEST(TextLimits, AreNamedAndCutToFit) {
  DocumentConfig config = Labelled();
  config.max_text_bytes = 12;
  config.max_sentences = 3;
  EXPECT_EQ(CheckText(config, "a. b. c."), absl::OkStatus());
  EXPECT_THAT(CheckText(config, "").message(), HasSubstr("empty"));
  EXPECT_THAT(CheckText(config, std::string(13, 'x')).message(),
              HasSubstr("13 bytes; at most 12"));
  EXPECT_THAT(CheckText(config, "a. b. c. d.").message(),
              HasSubstr("4 sentences; at most 3"));
  EXPECT_EQ(FittingText(config, "a. b. c. d."), "a. b. c. ");
  EXPECT_EQ(FittingText(config, std::string(13, 'x')), std::string(12, 'x'));
  EXPECT_EQ(FittingText(config, "a. b."), "a. b.");
}

}  // namespace
}  // namespace strata
