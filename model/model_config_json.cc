#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/document_scope.h"
#include "model/json_object.h"
#include "model/model_config.h"
#include "model/trained_attention.h"

namespace strata {
namespace {

template <typename E>
struct Name {
  E value;
  const char* name;
};

std::vector<Name<Scope>> ScopeNames() {
  std::vector<Name<Scope>> names;
  for (const Scope scope : Scopes()) names.push_back({scope, RuleOf(scope).name});
  return names;
}

constexpr Name<PoolKind> kPools[] = {{PoolKind::kAttention, "attention"},
                                     {PoolKind::kMean, "mean"},
                                     {PoolKind::kLast, "last"},
                                     {PoolKind::kConcat, "concat"}};
constexpr Name<BridgeKind> kBridges[] = {{BridgeKind::kLinear, "linear"},
                                         {BridgeKind::kRepeat, "repeat"},
                                         {BridgeKind::kPrefix, "prefix"},
                                         {BridgeKind::kAttention, "attention"}};

constexpr Name<GateKind> kGates[] = {{GateKind::kResidual, "residual"},
                                     {GateKind::kGru, "gru"},
                                     {GateKind::kReversible, "reversible"}};

const Name<TrainedAttention> kTrainedAttentions[] = {
    {TrainedAttention::kExact, TrainedAttentionName(TrainedAttention::kExact)},
    {TrainedAttention::kLsh, TrainedAttentionName(TrainedAttention::kLsh)},
    {TrainedAttention::kRouting, TrainedAttentionName(TrainedAttention::kRouting)}};

constexpr Name<KnnGate> kKnnGates[] = {{KnnGate::kHead, "head"},
                                       {KnnGate::kContext, "context"}};

constexpr Name<MemoryKind> kMemories[] = {{MemoryKind::kNone, "none"},
                                          {MemoryKind::kSegment, "segment"},
                                          {MemoryKind::kCompressive, "compressive"}};

constexpr Name<BlockRule> kBlockRules[] = {{BlockRule::kFixed, "fixed"},
                                           {BlockRule::kSpacelike, "spacelike"},
                                           {BlockRule::kRouter, "router"}};

template <typename Names, typename E>
const char* NameOf(const Names& names, E value) {
  for (const Name<E>& entry : names) {
    if (entry.value == value) return entry.name;
  }
  return "";
}

// "a, b or c"
template <typename Names>
std::string Listed(const Names& names) {
  std::string list = names[0].name;
  for (size_t i = 1; i < std::size(names); ++i) {
    absl::StrAppend(&list, i + 1 < std::size(names) ? ", " : " or ",
                    names[i].name);
  }
  return list;
}

template <typename Names, typename E>
void GetName(JsonObject* object, absl::string_view member, const Names& names,
             E* out) {
  std::string text = NameOf(names, *out);
  object->Get(member, &text);
  for (const Name<E>& entry : names) {
    if (text == entry.name) {
      *out = entry.value;
      return;
    }
  }
  object->Fault(member, absl::StrCat("is \"", text, "\"; must be ",
                                     Listed(names)));
}

// Of those that cannot be causal, the error says why.
void GetScope(JsonObject* object, absl::string_view member, Scope* scope) {
  std::string text = ScopeName(*scope);
  object->Get(member, &text);
  const std::string why = WhyNotCausal(text);
  if (!why.empty()) return object->Fault(member, why);
  GetName(object, member, ScopeNames(), scope);
}

template <typename E, size_t N>
void GetOptional(JsonObject* object, absl::string_view member,
                 const Name<E> (&names)[N], E* out) {
  if (object->Has(member)) GetName(object, member, names, out);
}

void GetOptional(JsonObject* object, absl::string_view member,
                 const PositionScheme** out) {
  if (!object->Has(member)) return;
  std::string name = (*out)->name;
  object->Get(member, &name);
  const PositionScheme* scheme = FindPositionScheme(name);
  if (scheme != nullptr) {
    *out = scheme;
    return;
  }
  object->Fault(member, absl::StrCat("is \"", name, "\"; must be ",
                                     PositionSchemeNames()));
}

std::vector<StreamConfig> ReadStreams(JsonObject* object) {
  std::vector<JsonObject> objects;
  object->Get("streams", &objects);
  std::vector<StreamConfig> streams;
  for (JsonObject& from : objects) {
    StreamConfig& stream = streams.emplace_back();
    from.Get("rate", &stream.rate);
    from.Get("stride", &stream.stride);
    from.Get("dim", &stream.dim);
    from.Get("heads", &stream.heads);
    from.Get("window", &stream.window);
    from.Finish().IgnoreError();  // the level's own Finish tells
  }
  return streams;
}

nlohmann::ordered_json WrittenStreams(const std::vector<StreamConfig>& streams) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const StreamConfig& stream : streams) {
    list.push_back({{"rate", stream.rate},
                    {"stride", stream.stride},
                    {"dim", stream.dim},
                    {"heads", stream.heads},
                    {"window", stream.window}});
  }
  return list;
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
  GetOptional(object, "repeats", &level.repeats);
  GetOptional(object, "ponder", &level.ponder);
  GetOptional(object, "exits", &level.exits);
  GetOptional(object, "exit_tolerance", &level.exit_tolerance);
  GetOptional(object, "gate", kGates, &level.gate);
  GetOptional(object, "trained_attention", kTrainedAttentions,
              &level.trained_attention);
  GetOptional(object, "buckets", &level.buckets);
  GetOptional(object, "hash_rounds", &level.hash_rounds);
  GetOptional(object, "knn_layer", &level.knn_layer);
  GetOptional(object, "knn_items", &level.knn_items);
  GetOptional(object, "knn_neighbours", &level.knn_neighbours);
  GetOptional(object, "knn_gate", kKnnGates, &level.knn_gate);
  if (object->Has("streams")) level.streams = ReadStreams(object);
  GetOptional(object, "memory", kMemories, &level.memory);
  GetOptional(object, "memory_rate", &level.memory_rate);
  GetOptional(object, "memory_items", &level.memory_items);
  GetOptional(object, "block_rule", kBlockRules, &level.block_rule);
  GetOptional(object, "block_min", &level.block_min);
  GetOptional(object, "block_mean", &level.block_mean);
  if (object->Has("piece_classes")) {
    object->Get("piece_classes", &level.piece_classes);
  }
  GetOptional(object, "pool", kPools, &level.pool);
  GetOptional(object, "bridge", kBridges, &level.bridge);
  GetOptional(object, "prefix", &level.prefix);
  GetOptional(object, "bridge_window", &level.bridge_window);
  GetOptional(object, "position", &level.position);
  GetOptional(object, "position_span", &level.position_span);
  GetOptional(object, "dilation", &level.dilation);
  GetOptional(object, "stride", &level.stride);
  GetOptional(object, "global_items", &level.global_items);
  GetOptional(object, "leaf", &level.leaf);
  GetOptional(object, "summaries", &level.summaries);
  GetOptional(object, "tree_height", &level.tree_height);
  return level;
}

}  // namespace

const char* ScopeName(Scope scope) { return RuleOf(scope).name; }
const char* MemoryName(MemoryKind kind) { return NameOf(kMemories, kind); }
const char* PoolName(PoolKind kind) { return NameOf(kPools, kind); }

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
  GetOptional(&object, "ngram_heads", &config.ngram_heads);
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
    // Only what is not the default, so that the text of a config, and its hash
    // in a weights file, stays as it was before there was a choice.
    const LevelConfig defaults;
    const auto add = [&](const char* name, int value, int otherwise) {
      if (value != otherwise) out[name] = value;
    };
    add("repeats", level.repeats, defaults.repeats);
    if (level.ponder != defaults.ponder) out["ponder"] = level.ponder;
    add("exits", level.exits, defaults.exits);
    if (level.exit_tolerance != defaults.exit_tolerance) {
      out["exit_tolerance"] = level.exit_tolerance;
    }
    if (level.gate != defaults.gate) out["gate"] = NameOf(kGates, level.gate);
    if (level.trained_attention != defaults.trained_attention) {
      out["trained_attention"] =
          NameOf(kTrainedAttentions, level.trained_attention);
    }
    add("buckets", level.buckets, defaults.buckets);
    add("hash_rounds", level.hash_rounds, defaults.hash_rounds);
    add("knn_layer", level.knn_layer, defaults.knn_layer);
    add("knn_items", level.knn_items, defaults.knn_items);
    add("knn_neighbours", level.knn_neighbours, defaults.knn_neighbours);
    if (level.knn_gate != defaults.knn_gate) {
      out["knn_gate"] = NameOf(kKnnGates, level.knn_gate);
    }
    if (!level.streams.empty()) out["streams"] = WrittenStreams(level.streams);
    if (level.memory != defaults.memory) out["memory"] = MemoryName(level.memory);
    add("memory_rate", level.memory_rate, defaults.memory_rate);
    add("memory_items", level.memory_items, defaults.memory_items);
    if (level.block_rule != defaults.block_rule) {
      out["block_rule"] = NameOf(kBlockRules, level.block_rule);
    }
    add("block_min", level.block_min, defaults.block_min);
    add("block_mean", level.block_mean, defaults.block_mean);
    if (!level.piece_classes.empty()) out["piece_classes"] = level.piece_classes;
    if (level.pool != defaults.pool) out["pool"] = NameOf(kPools, level.pool);
    if (level.bridge != defaults.bridge) {
      out["bridge"] = NameOf(kBridges, level.bridge);
    }
    add("prefix", level.prefix, defaults.prefix);
    add("bridge_window", level.bridge_window, defaults.bridge_window);
    if (level.position != defaults.position) {
      out["position"] = level.position->name;
    }
    add("position_span", level.position_span, defaults.position_span);
    add("dilation", level.dilation, defaults.dilation);
    add("stride", level.stride, defaults.stride);
    add("global_items", level.global_items, defaults.global_items);
    add("leaf", level.leaf, defaults.leaf);
    add("summaries", level.summaries, defaults.summaries);
    add("tree_height", level.tree_height, defaults.tree_height);
    json["levels"].push_back(std::move(out));
  }
  json["vocab"] = config.vocab;
  json["dropout"] = config.dropout;
  json["rope_theta"] = config.rope_theta;
  json["max_context"] = config.max_context;
  json["reach"] = config.reach;
  if (config.ngram_heads != 0) json["ngram_heads"] = config.ngram_heads;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace strata
