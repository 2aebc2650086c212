#include "server/rpc/inspect.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/inspector.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {
namespace {

struct Input {
  std::shared_ptr<const ServedVersion> version;
  std::string text;
  InspectOptions options;
};

// The marker that starts the text takes an item of the context.
absl::Status CheckTextLength(const std::string& text, int64_t items,
                             const ModelConfig& config, int64_t max_bytes) {
  if (text.empty()) {
    return FieldError("text", "text is empty; at least one byte is needed");
  }
  const auto bytes = static_cast<int64_t>(text.size());
  const int64_t context = config.max_context - 1;
  if (bytes > max_bytes) {
    return TextTooLong("text", absl::StrCat("text is ", bytes, " bytes; at most ",
                                            max_bytes,
                                            " (--inspect-max-bytes) are allowed"));
  }
  if (items <= context) return absl::OkStatus();
  return TextTooLong("text", absl::StrCat("text is ", items, " tokens; at most ", context,
                                          " fit the model's context"));
}

absl::StatusOr<Input> ReadInput(const v1::InspectRequest& request,
                                const ModelRegistry& registry,
                                int64_t max_text_bytes,
                                const InspectorCache& cache) {
  Input input;
  STRATA_ASSIGN_OR_RETURN(input.version,
                          ResolveGenerator(registry, request.model()));
  const ModelConfig& config = input.version->weights->config();
  input.text = request.text();
  // No more of a text than may be looked at is encoded.
  const auto items = static_cast<int64_t>(
      input.version->tokenizer
          ->Encode(absl::string_view(input.text).substr(0, max_text_bytes))
          .size());
  STRATA_RETURN_IF_ERROR(CheckTextLength(input.text, items, config, max_text_bytes));
  InspectOptions& options = input.options;
  options.levels.assign(request.levels().begin(), request.levels().end());
  options.layers.assign(request.layers().begin(), request.layers().end());
  options.heads.assign(request.heads().begin(), request.heads().end());
  if (request.has_top_k()) options.top_k = request.top_k();
  const absl::Status valid =
      SelectForInspection(config, options, items).status();
  if (!valid.ok()) return AsFieldError(valid);
  const absl::Status fits = cache.CheckFits(*input.version);
  if (fits.ok()) return input;
  return WithResource(WithReason(fits, "MODEL_TOO_LARGE"), "model",
                      input.version->name());
}

v1::KeyKind ToProto(AttendedKey::Kind kind) {
  switch (kind) {
    case AttendedKey::Kind::kItem: return v1::KEY_KIND_ITEM;
    case AttendedKey::Kind::kStart: return v1::KEY_KIND_START;
    case AttendedKey::Kind::kNode: return v1::KEY_KIND_NODE;
    case AttendedKey::Kind::kPrefix: return v1::KEY_KIND_PREFIX;
    case AttendedKey::Kind::kContext: return v1::KEY_KIND_CONTEXT;
  }
  return v1::KEY_KIND_UNSPECIFIED;
}

v1::StackKind ToProto(InspectedStack::Kind kind) {
  switch (kind) {
    case InspectedStack::Kind::kEncoder: return v1::STACK_KIND_ENCODER;
    case InspectedStack::Kind::kDecoder: return v1::STACK_KIND_DECODER;
    case InspectedStack::Kind::kBridge: return v1::STACK_KIND_BRIDGE;
    case InspectedStack::Kind::kStream: return v1::STACK_KIND_STREAM;
  }
  return v1::STACK_KIND_UNSPECIFIED;
}

void Fill(const AttentionMap& from, v1::AttentionMap* to) {
  to->set_layer(from.layer);
  to->set_head(from.head);
  for (const AttentionRow& row : from.rows) {
    v1::AttentionRow* out = to->add_rows();
    out->set_rest(row.rest);
    for (const AttentionLink& link : row.links) {
      v1::AttentionLink* added = out->add_links();
      added->set_key(link.key);
      added->set_weight(link.weight);
    }
  }
}

void Fill(const InspectedStack& from, v1::InspectedStack* to) {
  to->set_kind(ToProto(from.kind));
  to->set_scope(ScopeName(from.scope));
  to->set_layers(from.layers);
  to->set_stream(from.stream);
  to->set_rate(from.rate);
  to->set_stride(from.stride);
  to->set_positions(static_cast<int32_t>(from.positions));
  to->mutable_depths()->Add(from.depths.begin(), from.depths.end());
  for (const AttendedKey& key : from.keys) {
    v1::InspectedKey* out = to->add_keys();
    out->set_kind(ToProto(key.kind));
    out->set_begin_byte(key.bytes.begin);
    out->set_end_byte(key.bytes.end);
    out->set_height(key.height);
  }
  for (const AttentionMap& map : from.maps) Fill(map, to->add_maps());
}

void FillPooling(const InspectedLevel& from, const LevelConfig& config,
                 v1::InspectedPooling* to) {
  to->set_rule(PoolName(config.pool));
  to->set_ragged(config.block_rule != BlockRule::kFixed);
  for (const PooledUnit& unit : from.units) {
    v1::PooledUnit* out = to->add_units();
    out->set_begin_item(unit.begin_item);
    out->set_end_item(unit.end_item);
    for (size_t i = 0; i < unit.weights.size(); ++i) {
      v1::PoolingHead* head = out->add_heads();
      head->set_head(from.selection.heads[i]);
      head->mutable_weights()->Add(unit.weights[i].begin(),
                                   unit.weights[i].end());
    }
  }
}

void Fill(const InspectedLevel& from, const ModelConfig& config,
          v1::InspectedLevel* to) {
  const LevelConfig& level =
      config.levels[static_cast<size_t>(from.selection.level)];
  to->set_level(from.selection.level);
  to->set_heads(level.heads);
  for (const ByteRange& bytes : from.items) {
    v1::ByteSpan* span = to->add_items();
    span->set_begin_byte(bytes.begin);
    span->set_end_byte(bytes.end);
  }
  for (const InspectedStack& stack : from.stacks) Fill(stack, to->add_stacks());
  const bool top = from.selection.level + 1 ==
                   static_cast<int>(config.levels.size());
  if (!top) FillPooling(from, level, to->mutable_pooling());
}

void Fill(const Inspection& from, const ModelConfig& config,
          v1::InspectResponse* to) {
  double bits = 0;
  for (const double surprise : from.surprise_bits) {
    bits += surprise;
    to->add_surprise_bits(surprise);
  }
  const auto bytes = static_cast<int64_t>(from.surprise_bits.size());
  to->set_bytes(bytes);
  to->set_bits_per_byte(bits / static_cast<double>(bytes));
  for (const InspectedLevel& level : from.levels) {
    Fill(level, config, to->add_levels());
  }
}

absl::Status Answer(const Input& input, const std::function<absl::Status()>& poll,
                    int64_t max_bytes, InspectorCache* cache,
                    v1::InspectResponse* response) {
  STRATA_RETURN_IF_ERROR(poll());
  return cache->Use(input.version, [&](const Inspector& inspector) -> absl::Status {
    STRATA_RETURN_IF_ERROR(poll());  // opening one takes its time
    STRATA_ASSIGN_OR_RETURN(const Inspection inspection,
                            inspector.Inspect(input.text, input.options));
    STRATA_RETURN_IF_ERROR(poll());
    response->set_model(input.version->name());
    Fill(inspection, inspector.config(), response);
    const auto bytes = static_cast<int64_t>(response->ByteSizeLong());
    if (bytes <= max_bytes) return absl::OkStatus();
    return FieldError(
        "text", absl::StrCat("the answer for text has ", bytes,
                             " bytes; at most ", max_bytes,
                             " (--max-message-bytes) may be sent; ask for fewer "
                             "levels, layers, heads or a smaller top_k"));
  });
}

}  // namespace

absl::StatusOr<Computation<v1::InspectResponse>> PrepareInspect(
    const v1::InspectRequest& request, const ModelRegistry& registry,
    const InspectLimits& limits, InspectorCache* cache) {
  STRATA_ASSIGN_OR_RETURN(
      Input input, ReadInput(request, registry, limits.max_text_bytes, *cache));
  const auto bytes = static_cast<int64_t>(input.text.size());
  const int64_t max_bytes = limits.max_answer_bytes;
  return Computation<v1::InspectResponse>{
      bytes,
      [input = std::move(input), max_bytes, cache](
          const std::function<absl::Status()>& poll,
          v1::InspectResponse* response) {
        return Answer(input, poll, max_bytes, cache, response);
      }};
}

}  // namespace strata
