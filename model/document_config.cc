#include "model/document_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/field_check.h"
#include "model/json_object.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

Json LevelToJson(const DocumentLevelConfig& level) {
  Json json = {{"dim", level.dim},
               {"heads", level.heads},
               {"ff_mult", level.ff_mult},
               {"layers", level.layers}};
  // What is as before there was a choice is written as it was then.
  if (level.scope != DocumentScopeSpec()) {
    json["scope"] = DocumentScopeName(level.scope.scope);
    const auto add = [&](const char* key, int value) {
      if (value != 0) json[key] = value;
    };
    add("projected", level.scope.projected);
    add("window", level.scope.window);
    add("global_items", level.scope.global_items);
    add("random_blocks", level.scope.random_blocks);
  }
  const BucketSpec& attention = level.attention;
  if (attention == BucketSpec()) return json;
  json["trained_attention"] = TrainedAttentionName(attention.kind);
  json["buckets"] = attention.buckets;
  json["hash_rounds"] = attention.hash_rounds;
  return json;
}

void ReadScope(JsonObject* object, DocumentScopeSpec* spec) {
  if (object->Has("scope")) {
    std::string name;
    object->Get("scope", &name);
    if (!FindDocumentScope(name, &spec->scope)) {
      object->Fault("scope", absl::StrCat("is \"", name, "\"; must be ",
                                          DocumentScopeNames()));
    }
  }
  GetOptional(object, "projected", &spec->projected);
  GetOptional(object, "window", &spec->window);
  GetOptional(object, "global_items", &spec->global_items);
  GetOptional(object, "random_blocks", &spec->random_blocks);
}

void ReadAttention(JsonObject* object, BucketSpec* attention) {
  if (!object->Has("trained_attention")) return;
  std::string name;
  object->Get("trained_attention", &name);
  if (!FindTrainedAttention(name, &attention->kind)) {
    object->Fault("trained_attention",
                  absl::StrCat("is \"", name, "\"; must be exact, lsh or routing"));
  }
  GetOptional(object, "buckets", &attention->buckets);
  GetOptional(object, "hash_rounds", &attention->hash_rounds);
}

absl::Status ReadLevel(JsonObject* root, absl::string_view name,
                       DocumentLevelConfig* level) {
  JsonObject object;
  root->Get(name, &object);
  if (!root->status().ok()) return root->Finish();
  object.Get("dim", &level->dim);
  object.Get("heads", &level->heads);
  object.Get("ff_mult", &level->ff_mult);
  object.Get("layers", &level->layers);
  ReadScope(&object, &level->scope);
  ReadAttention(&object, &level->attention);
  return object.Finish();
}

absl::Status ValidateLevel(const DocumentLevelConfig& level, int64_t items,
                           const std::string& at) {
  STRATA_RETURN_IF_ERROR(
      CheckWidths(at, level.dim, level.heads, level.ff_mult));
  STRATA_RETURN_IF_ERROR(InRange(at + "layers", level.layers, 0, 128));
  STRATA_RETURN_IF_ERROR(CheckDocumentScope(level.scope, items, at));
  if (level.attention.kind != TrainedAttention::kExact &&
      level.scope.scope != DocumentScope::kFull) {
    return BadField(at + "scope",
                    absl::StrCat("is ", DocumentScopeName(level.scope.scope),
                                 "; must be full where trained_attention is ",
                                 TrainedAttentionName(level.attention.kind)));
  }
  return CheckBuckets(level.attention, at);
}

absl::Status ValidateLimits(const DocumentConfig& c) {
  STRATA_RETURN_IF_ERROR(
      InRange("max_sentence_bytes", c.max_sentence_bytes, 4, 4096));
  STRATA_RETURN_IF_ERROR(InRange("max_sentences", c.max_sentences, 1, 4096));
  STRATA_RETURN_IF_ERROR(
      InRange("max_text_bytes", c.max_text_bytes, 1, 1 << 24));
  if (c.word_buckets != 0) {
    STRATA_RETURN_IF_ERROR(InRange("word_buckets", c.word_buckets, 2, 1 << 24));
  }
  if (c.ngram_buckets == 0) return absl::OkStatus();
  STRATA_RETURN_IF_ERROR(
      InRange("ngram_buckets", c.ngram_buckets, 2, 1 << 24));
  STRATA_RETURN_IF_ERROR(InRange("ngram_min", c.ngram_min, 2, 16));
  return InRange("ngram_max", c.ngram_max, c.ngram_min, 16);
}

absl::Status ValidateLabels(const std::vector<std::string>& labels,
                            bool labelled) {
  const auto count = static_cast<int64_t>(labels.size());
  if (labelled || count > 0) {
    STRATA_RETURN_IF_ERROR(InRange("labels", count, 2, kMaxLabels));
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::string at = absl::StrCat("labels[", i, "]");
    STRATA_RETURN_IF_ERROR(
        InRange(at, static_cast<int64_t>(labels[i].size()), 1,
                kMaxLabelBytes));
    if (i > 0 && labels[i] <= labels[i - 1]) {
      return BadField(at, "must follow the label before it in byte order");
    }
  }
  return absl::OkStatus();
}

int64_t LevelParameters(const DocumentLevelConfig& level, int64_t items,
                        int64_t dim_above) {
  const int64_t d = level.dim;
  // Layers (qkv, out; up, down; two norms), then the pool (norm, query; key,
  // value; out).
  return level.layers * (4 * d * d + 2 * level.ff_mult * d * d + 2 * d +
                         CentroidNumbers(level.attention, d)) +
         DocumentScopeNumbers(level.scope, items, level.layers, d) + 2 * d + 2 * d * d +
         dim_above * d;
}

}  // namespace

bool IsDocumentConfig(absl::string_view json) {
  absl::StatusOr<JsonObject> object = JsonObject::Parse(json, "config");
  if (!object.ok()) return false;
  std::string architecture;
  object->Get("architecture", &architecture);
  return architecture == kDocumentArchitecture;
}

absl::StatusOr<DocumentConfig> ParseDocumentConfig(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(JsonObject object, JsonObject::Parse(json, "config"));
  DocumentConfig config;
  std::string architecture;
  object.Get("architecture", &architecture);
  if (object.status().ok() && architecture != kDocumentArchitecture) {
    object.Fault("architecture", absl::StrCat("is \"", architecture,
                                              "\"; must be document"));
  }
  STRATA_RETURN_IF_ERROR(ReadLevel(&object, "sentence", &config.sentence));
  STRATA_RETURN_IF_ERROR(ReadLevel(&object, "document", &config.document));
  object.Get("ngram_min", &config.ngram_min);
  object.Get("ngram_max", &config.ngram_max);
  object.Get("ngram_buckets", &config.ngram_buckets);
  GetOptional(&object, "word_buckets", &config.word_buckets);
  object.Get("dropout", &config.dropout);
  object.Get("rope_theta", &config.rope_theta);
  object.Get("max_sentence_bytes", &config.max_sentence_bytes);
  object.Get("max_sentences", &config.max_sentences);
  object.Get("max_text_bytes", &config.max_text_bytes);
  object.Get("labels", &config.labels);
  STRATA_RETURN_IF_ERROR(object.Finish());
  return config;
}

std::string DocumentConfigToJson(const DocumentConfig& config) {
  Json json = {{"architecture", kDocumentArchitecture},
               {"sentence", LevelToJson(config.sentence)},
               {"document", LevelToJson(config.document)},
               {"ngram_min", config.ngram_min},
               {"ngram_max", config.ngram_max},
               {"ngram_buckets", config.ngram_buckets}};
  // Left out where there are none: published weights hold a hash of this text.
  if (config.word_buckets > 0) json["word_buckets"] = config.word_buckets;
  json["dropout"] = config.dropout;
  json["rope_theta"] = config.rope_theta;
  json["max_sentence_bytes"] = config.max_sentence_bytes;
  json["max_sentences"] = config.max_sentences;
  json["max_text_bytes"] = config.max_text_bytes;
  json["labels"] = config.labels;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::Status ValidateDocumentConfig(const DocumentConfig& config,
                                    bool labelled) {
  STRATA_RETURN_IF_ERROR(ValidateLimits(config));
  STRATA_RETURN_IF_ERROR(
      ValidateLevel(config.sentence, config.sentence_items(), "sentence."));
  STRATA_RETURN_IF_ERROR(
      ValidateLevel(config.document, config.document_items(), "document."));
  STRATA_RETURN_IF_ERROR(CheckDropout(config.dropout));
  STRATA_RETURN_IF_ERROR(CheckRopeTheta(config.rope_theta));
  return ValidateLabels(config.labels, labelled);
}

absl::Status CheckKnownLabels(const DocumentConfig& config,
                              const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    if (!std::binary_search(config.labels.begin(), config.labels.end(),
                            label)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "has the label \"", label, "\", which the base does not know"));
    }
  }
  return absl::OkStatus();
}

int64_t ParameterCount(const DocumentConfig& config) {
  const int64_t bag = config.word_buckets == 0
                          ? 0
                          : (config.word_buckets + 2 + 2 * config.document.dim) *
                                config.sentence.dim;
  const int64_t labels = static_cast<int64_t>(config.labels.size());
  const int64_t rows = 256 + config.ngram_buckets;
  return rows * config.sentence.dim + bag +
         LevelParameters(config.sentence, config.sentence_items(), config.document.dim) +
         LevelParameters(config.document, config.document_items(), config.document.dim) +
         config.document.dim + labels * (config.document.dim + 1);
}

absl::StatusOr<DocumentConfig> DocumentPreset(absl::string_view name) {
  if (name != kDocumentArchitecture) {
    return absl::NotFoundError(
        absl::StrCat("no preset \"", name, "\" of a document classifier"));
  }
  DocumentConfig config;
  config.sentence = {.dim = 64, .heads = 2};
  config.document = {.dim = 128, .heads = 4};
  config.ngram_buckets = 1 << 14;
  config.word_buckets = 1 << 16;
  return config;
}

}  // namespace strata
