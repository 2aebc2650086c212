#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/base/status_macros.h"
#include "server/engine/stop_matcher.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {
namespace {

uint64_t RandomSeed() {
  thread_local std::mt19937_64 random{[] {
    std::random_device device;
    return (uint64_t{device()} << 32) | device();
  }()};
  return random();
}

absl::StatusOr<SamplingParams> ToSampling(const v1::SamplingParams& in, int vocab) {
  SamplingParams out;
  if (in.has_temperature()) out.temperature = in.temperature();
  if (in.has_top_k()) out.top_k = in.top_k();
  if (in.has_top_p()) out.top_p = in.top_p();
  if (in.has_min_p()) out.min_p = in.min_p();
  if (in.has_repetition_penalty()) out.repetition_penalty = in.repetition_penalty();
  if (in.has_repetition_window()) out.repetition_window = in.repetition_window();
  out.seed = in.has_seed() ? in.seed() : RandomSeed();
  out.ignore_eos = in.ignore_eos();
  const absl::Status status = ValidateSampling(out, vocab);
  if (!status.ok()) return AsFieldError(status, "sampling.");
  return out;
}

absl::Status NoTemplate(const ServedVersion& version, absl::string_view field) {
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(
          field, " needs a model trained on conversations or completions; ",
          version.name(), " was trained on plain text: send `prompt`")),
      "NO_TEMPLATE");
}

absl::StatusOr<std::vector<Item>> Conversation(const v1::Messages& in) {
  std::vector<ChatMessage> messages;
  for (const v1::Message& message : in.messages()) {
    messages.push_back({message.role(), message.content()});
  }
  const absl::Status status = ValidateMessages(messages, /*needs_reply=*/true);
  if (!status.ok()) return AsFieldError(status);
  return RenderChat(messages);
}

// More bytes than items can stand for are refused before they are rendered.
absl::Status CheckLength(const ServedVersion& version, int64_t bytes) {
  const int64_t context = version.weights->config().max_context;
  if (bytes < context * version.tokenizer->longest_piece()) return absl::OkStatus();
  return WithReason(
      absl::InvalidArgumentError(absl::StrFormat(
          "prompt is %d bytes; the context of %s is %d items", bytes,
          version.name(), context)),
      "CONTEXT_LENGTH_EXCEEDED");
}

absl::StatusOr<std::vector<Item>> Render(const v1::GenerateRequest& request,
                                         const ServedVersion& version) {
  STRATA_RETURN_IF_ERROR(
      CheckLength(version, request.prompt().size() + request.completion_prompt().size()));
  const bool has_template = version.template_kind != TemplateKind::kText;
  switch (request.input_case()) {
    case v1::GenerateRequest::kPrompt:
      return RenderText(request.prompt());
    case v1::GenerateRequest::kCompletionPrompt:
      if (!has_template) return NoTemplate(version, "completion_prompt");
      return RenderCompletion(request.completion_prompt());
    case v1::GenerateRequest::kMessages:
      if (!has_template) return NoTemplate(version, "messages");
      return Conversation(request.messages());
    case v1::GenerateRequest::INPUT_NOT_SET:
      break;
  }
  return FieldError("prompt", "prompt is missing; one of prompt, messages and "
                              "completion_prompt must be set");
}

absl::Status SetLimits(const v1::GenerateRequest& in, int64_t context,
                       EngineRequest* out) {
  out->max_items = in.has_max_tokens() ? in.max_tokens()
                                       : std::min(kDefaultMaxTokens, context);
  if (out->max_items < 1 || out->max_items > context) {
    return FieldError("max_tokens", absl::StrFormat("max_tokens is %d; must be in [1, %d]",
                                                    out->max_items, context));
  }
  const double limit = in.time_limit_seconds();
  if (!std::isfinite(limit) || limit < 0 || limit > 1e6) {
    return FieldError("time_limit_seconds",
                      absl::StrFormat("time_limit_seconds is %g; must be in [0, 1000000]",
                                      limit));
  }
  return absl::OkStatus();
}

absl::Status SetSamples(const v1::GenerateRequest& in, EngineRequest* out) {
  if (!in.has_n()) return absl::OkStatus();
  out->samples = in.n();
  if (in.n() < 1) {
    return FieldError("n", absl::StrFormat("n is %d; must be at least 1", in.n()));
  }
  if (in.n() > 1 && out->sampling.temperature == 0) {
    return FieldError("n", absl::StrFormat(
        "n is %d with sampling.temperature 0: all samples would be alike", in.n()));
  }
  return absl::OkStatus();
}

absl::Status SetStops(const v1::GenerateRequest& in, EngineRequest* out) {
  out->stop.assign(in.stop().begin(), in.stop().end());
  const absl::Status status = ValidateStops(out->stop);
  return status.ok() ? status : AsFieldError(status);
}

// Of a request that says nothing (`asked` false), what the version has.
absl::StatusOr<NeighbourParams> ToNeighbours(bool asked, const v1::NeighbourParams& in,
                                             const ServedVersion& version) {
  if (version.neighbours == nullptr) {
    if (!asked) return NeighbourParams();
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "neighbours needs a version with a datastore; ",
                          version.name(), " has none")),
                      "NO_DATASTORE");
  }
  NeighbourParams out = version.neighbours->defaults();
  if (in.has_weight()) out.weight = in.weight();
  if (in.has_k()) out.k = in.k();
  if (in.has_temperature()) out.temperature = in.temperature();
  const absl::Status status = ValidateNeighbours(out, version.neighbours->max_k());
  if (!status.ok()) return AsFieldError(status, "neighbours.");
  return out;
}

}  // namespace

absl::Status AsFieldError(const absl::Status& status, absl::string_view parent) {
  const absl::string_view message = status.message();
  return FieldError(
      absl::StrCat(parent, message.substr(0, message.find_first_of(" :"))), message);
}

absl::StatusOr<std::shared_ptr<const ServedVersion>> ResolveModel(
    const ModelRegistry& registry, absl::string_view name) {
  if (name.empty()) {
    return FieldError("model", "model is missing; must be NAME or NAME@VERSION");
  }
  auto version = registry.Resolve(name);
  if (version.ok()) return version;
  absl::Status status = WithResource(version.status(), "model", name);
  if (!ReasonOf(status).empty()) return status;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable: return WithReason(status, "MODEL_LOADING");
    case absl::StatusCode::kNotFound: return WithReason(status, "MODEL_NOT_FOUND");
    case absl::StatusCode::kFailedPrecondition:
      return WithReason(status, "MODEL_NOT_LOADED");
    default: return status;
  }
}

absl::StatusOr<std::shared_ptr<const ServedVersion>> ResolveGenerator(
    const ModelRegistry& registry, absl::string_view name) {
  STRATA_ASSIGN_OR_RETURN(auto version, ResolveModel(registry, name));
  if (version->weights != nullptr) return version;
  return WithResource(
      WithReason(absl::FailedPreconditionError(absl::StrCat(
                     version->name(), " classifies texts and generates none; "
                     "call Classify or Embed")),
                 "NOT_A_GENERATOR"),
      "model", version->name());
}

absl::Status ValidateRequestId(absl::string_view id) {
  if (id.size() > 128) {
    return FieldError("request_id", absl::StrFormat(
        "request_id is %d bytes; at most 128 are allowed", id.size()));
  }
  for (const char c : id) {
    if (c < 0x20 || c > 0x7e) {
      return FieldError("request_id", "request_id has a character that is not "
                                      "printable ASCII");
    }
  }
  return absl::OkStatus();
}

std::string RandomId() {
  return absl::StrFormat("%016x%016x", RandomSeed(), RandomSeed());
}

absl::StatusOr<EngineRequest> ToEngineRequest(const v1::GenerateRequest& in,
                                              const ModelRegistry& registry) {
  EngineRequest out;
  STRATA_RETURN_IF_ERROR(ValidateRequestId(in.request_id()));
  STRATA_ASSIGN_OR_RETURN(out.version, ResolveGenerator(registry, in.model()));
  const ModelConfig& config = out.version->weights->config();
  STRATA_ASSIGN_OR_RETURN(out.sampling, ToSampling(in.sampling(), config.vocab));
  STRATA_RETURN_IF_ERROR(SetLimits(in, config.max_context, &out));
  STRATA_RETURN_IF_ERROR(SetSamples(in, &out));
  STRATA_RETURN_IF_ERROR(SetStops(in, &out));
  STRATA_ASSIGN_OR_RETURN(std::vector<Item> rendered, Render(in, *out.version));
  out.items = EncodeItems(*out.version->tokenizer, std::move(rendered));
  out.id = in.request_id().empty() ? RandomId() : in.request_id();
  out.prefix_cache = !in.no_prefix_cache();
  STRATA_ASSIGN_OR_RETURN(
      out.neighbours, ToNeighbours(in.has_neighbours(), in.neighbours(), *out.version));
  return out;
}

absl::StatusOr<EngineRequest> ToEngineRequest(const v1::ScoreRequest& in,
                                              const ModelRegistry& registry) {
  EngineRequest out;
  out.kind = EngineRequest::Kind::kScore;
  out.max_items = 0;
  if (in.text().empty()) {
    return FieldError("text", "text is empty; at least one byte is needed");
  }
  STRATA_ASSIGN_OR_RETURN(out.version, ResolveGenerator(registry, in.model()));
  STRATA_RETURN_IF_ERROR(CheckLength(*out.version, in.text().size()));
  out.items = EncodeItems(*out.version->tokenizer, RenderText(in.text()));
  out.id = absl::StrCat("score-", RandomId());
  STRATA_ASSIGN_OR_RETURN(
      out.neighbours, ToNeighbours(in.has_neighbours(), in.neighbours(), *out.version));
  return out;
}

v1::Accepted ToAccepted(const EngineRequest& request, int64_t queue_position) {
  v1::Accepted out;
  out.set_request_id(request.id);
  out.set_model(request.version->name());
  out.set_queue_position(queue_position);
  out.set_prompt_tokens(request.items.size());
  out.set_max_tokens(request.max_items);
  const SamplingParams& in = request.sampling;
  v1::SamplingParams* sampling = out.mutable_sampling();
  sampling->set_temperature(in.temperature);
  sampling->set_top_k(in.top_k);
  sampling->set_top_p(in.top_p);
  sampling->set_min_p(in.min_p);
  sampling->set_repetition_penalty(in.repetition_penalty);
  sampling->set_repetition_window(in.repetition_window);
  sampling->set_seed(in.seed);
  sampling->set_ignore_eos(in.ignore_eos);
  if (request.version->neighbours == nullptr) return out;
  v1::NeighbourParams* neighbours = out.mutable_neighbours();
  neighbours->set_weight(request.neighbours.weight);
  neighbours->set_k(request.neighbours.k);
  neighbours->set_temperature(request.neighbours.temperature);
  return out;
}

v1::Finished ToProto(const FinishInfo& info) {
  v1::Finished out;
  switch (info.reason) {
    case FinishReason::kEos: out.set_reason(v1::FINISH_REASON_EOS); break;
    case FinishReason::kStop: out.set_reason(v1::FINISH_REASON_STOP); break;
    case FinishReason::kMaxTokens: out.set_reason(v1::FINISH_REASON_MAX_TOKENS); break;
    case FinishReason::kContextLimit:
      out.set_reason(v1::FINISH_REASON_CONTEXT_LIMIT);
      break;
    case FinishReason::kDeadline: out.set_reason(v1::FINISH_REASON_DEADLINE); break;
  }
  out.set_sample(info.sample);
  out.set_matched_stop(info.matched_stop);
  out.mutable_usage()->set_prompt_tokens(info.prompt_items);
  out.mutable_usage()->set_generated_tokens(info.generated_items);
  out.mutable_usage()->set_cached_prompt_tokens(info.cached_items);
  v1::Timings* timings = out.mutable_timings();
  timings->set_queue_seconds(info.queue_seconds);
  timings->set_prefill_seconds(info.prefill_seconds);
  timings->set_time_to_first_token_seconds(info.first_item_seconds);
  timings->set_total_seconds(info.total_seconds);
  return out;
}

}  // namespace strata
