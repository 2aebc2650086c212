#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/json_object.h"
#include "model/model_config.h"

namespace strata {
namespace {

constexpr struct {
  Scope scope;
  const char* name;
} kScopes[] = {{Scope::kFull, "full"},
               {Scope::kWindow, "window"},
               {Scope::kBlock, "block"},
               {Scope::kBidirBlock, "bidir_block"},
               {Scope::kTree, "tree"}};

const char* ScopeName(Scope scope) {
  for (const auto& entry : kScopes) {
    if (entry.scope == scope) return entry.name;
  }
  return "";
}

void GetScope(JsonObject* object, absl::string_view name, Scope* out) {
  std::string text = ScopeName(*out);
  object->Get(name, &text);
  for (const auto& entry : kScopes) {
    if (text == entry.name) {
      *out = entry.scope;
      return;
    }
  }
  object->Fault(name, absl::StrCat("is \"", text,
                                   "\"; must be full, window, block, "
                                   "bidir_block or tree"));
}

// Older texts lack what only one scope needs.
void GetOptional(JsonObject* object, absl::string_view name, int* out) {
  if (object->Has(name)) object->Get(name, out);
}

LevelConfig ReadLevel(JsonObject* object) {
  LevelConfig level;
  object->Get("dim", &level.dim);
  object->Get("heads", &level.heads);
  object->Get("ff_mult", &level.ff_mult);
  object->Get("enc_layers", &level.enc_layers);
  GetScope(object, "enc_scope", &level.enc_scope);
  object->Get("dec_layers", &level.dec_layers);
  GetScope(object, "dec_scope", &level.dec_scope);
  object->Get("window", &level.window);
  object->Get("block", &level.block);
  GetOptional(object, "leaf", &level.leaf);
  GetOptional(object, "summaries", &level.summaries);
  GetOptional(object, "tree_height", &level.tree_height);
  return level;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json) {
  STRATA_ASSIGN_OR_RETURN(JsonObject object, JsonObject::Parse(json, "config"));
  ModelConfig config;
  object.Get("architecture", &config.architecture);
  std::vector<JsonObject> levels;
  object.Get("levels", &levels);
  for (JsonObject& level : levels) {
    config.levels.push_back(ReadLevel(&level));
    STRATA_RETURN_IF_ERROR(level.Finish());
  }
  object.Get("vocab", &config.vocab);
  object.Get("dropout", &config.dropout);
  object.Get("rope_theta", &config.rope_theta);
  object.Get("max_context", &config.max_context);
  object.Get("reach", &config.reach);
  STRATA_RETURN_IF_ERROR(object.Finish());
  return config;
}

std::string ModelConfigToJson(const ModelConfig& config) {
  nlohmann::ordered_json json;
  json["architecture"] = config.architecture;
  json["levels"] = nlohmann::ordered_json::array();
  for (const LevelConfig& level : config.levels) {
    nlohmann::ordered_json out;
    out["dim"] = level.dim;
    out["heads"] = level.heads;
    out["ff_mult"] = level.ff_mult;
    out["enc_layers"] = level.enc_layers;
    out["enc_scope"] = ScopeName(level.enc_scope);
    out["dec_layers"] = level.dec_layers;
    out["dec_scope"] = ScopeName(level.dec_scope);
    out["window"] = level.window;
    out["block"] = level.block;
    if (level.dec_scope == Scope::kTree) {
      out["leaf"] = level.leaf;
      out["summaries"] = level.summaries;
      out["tree_height"] = level.tree_height;
    }
    json["levels"].push_back(std::move(out));
  }
  json["vocab"] = config.vocab;
  json["dropout"] = config.dropout;
  json["rope_theta"] = config.rope_theta;
  json["max_context"] = config.max_context;
  json["reach"] = config.reach;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace strata
