#include "server/rpc/classify.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/classifier.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"

namespace strata {
namespace {

// The texts of a call, checked, and what answers them.
struct Input {
  std::shared_ptr<const ServedVersion> version;
  std::vector<std::string> texts;
  std::vector<bool> truncated;
  int64_t bytes = 0;
};

using Poll = std::function<absl::Status()>;

absl::StatusOr<std::shared_ptr<const ServedVersion>> ResolveClassifier(
    const ModelRegistry& registry, absl::string_view name,
    absl::string_view method) {
  STRATA_ASSIGN_OR_RETURN(auto version, ResolveModel(registry, name));
  if (version->classifier != nullptr) return version;
  return WithResource(
      WithReason(absl::FailedPreconditionError(absl::StrCat(
                     method, " needs a document classifier; ", version->name(),
                     " generates text")),
                 "NOT_A_CLASSIFIER"),
      "model", version->name());
}

// Request: either of the two.
template <typename Request>
absl::StatusOr<Input> ReadInput(const Request& request,
                                const ModelRegistry& registry,
                                absl::string_view method) {
  Input input;
  STRATA_ASSIGN_OR_RETURN(
      input.version, ResolveClassifier(registry, request.model(), method));
  const DocumentConfig& config = input.version->classifier->config();
  if (request.texts_size() < 1 || request.texts_size() > kMaxTexts) {
    return FieldError("texts",
                      absl::StrCat("texts has ", request.texts_size(),
                                   " entries; must have 1 to ", kMaxTexts));
  }
  for (int i = 0; i < request.texts_size(); ++i) {
    std::string text = request.texts(i);
    const std::string field = absl::StrCat("texts[", i, "]");
    if (text.empty()) {
      return FieldError(
          field, absl::StrCat(field, " is empty; at least one byte is needed"));
    }
    const absl::Status fits = CheckText(config, text);
    if (!fits.ok() && !request.truncate()) {
      return TextTooLong(field, absl::StrCat(field, " ", fits.message()));
    }
    if (!fits.ok()) text.resize(FittingText(config, text).size());
    input.bytes += static_cast<int64_t>(text.size());
    input.texts.push_back(std::move(text));
    input.truncated.push_back(!fits.ok());
  }
  return input;
}

void Fill(const Classification& from, const DocumentConfig& config,
          bool byte_weights, v1::Classification* to) {
  const auto best = std::max_element(from.probabilities.begin(),
                                     from.probabilities.end());
  to->set_label(config.labels[best - from.probabilities.begin()]);
  for (size_t c = 0; c < config.labels.size(); ++c) {
    v1::LabelProbability* out = to->add_probabilities();
    out->set_label(config.labels[c]);
    out->set_probability(from.probabilities[c]);
  }
  for (const AttendedSentence& sentence : from.sentences) {
    v1::SentenceWeight* out = to->add_sentences();
    out->set_begin_byte(sentence.range.begin);
    out->set_end_byte(sentence.range.end);
    out->set_weight(sentence.weight);
    if (!byte_weights) continue;
    out->mutable_byte_weights()->Add(sentence.bytes.begin(),
                                     sentence.bytes.end());
  }
}

void AddVector(ByteRange range, const std::vector<float>& values,
               v1::TextEmbedding* to) {
  v1::Embedding* out = to->add_embeddings();
  out->set_begin_byte(range.begin);
  out->set_end_byte(range.end);
  out->mutable_values()->Add(values.begin(), values.end());
}

void Fill(const Classification& from, v1::EmbedLevel level,
          v1::TextEmbedding* to) {
  if (level == v1::EMBED_LEVEL_SENTENCE) {
    for (const AttendedSentence& sentence : from.sentences) {
      AddVector(sentence.range, sentence.vector, to);
    }
  } else {
    AddVector({0, from.sentences.back().range.end}, from.vector, to);
  }
}

// Classifies the texts one after another, so that an answer that grows too large
// ends the call before it is made. `fill` (i, classification) -> the message that
// it filled.
template <typename Fill>
absl::Status AnswerEach(const Input& input, const Poll& poll, int64_t max_bytes,
                        Fill fill) {
  int64_t bytes = 0;
  for (size_t i = 0; i < input.texts.size(); ++i) {
    STRATA_ASSIGN_OR_RETURN(
        const auto results,
        input.version->classifier->Classify({input.texts[i]}, poll));
    bytes += static_cast<int64_t>(fill(i, results[0])->ByteSizeLong());
    if (bytes > max_bytes) {
      return FieldError(
          "texts", absl::StrCat("the answer for texts[0] to texts[", i, "] has ",
                                bytes, " bytes; at most ", max_bytes,
                                " (--max-message-bytes) may be sent"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Computation<v1::ClassifyResponse>> PrepareClassify(
    const v1::ClassifyRequest& request, const ModelRegistry& registry,
    int64_t max_bytes) {
  STRATA_ASSIGN_OR_RETURN(Input input,
                          ReadInput(request, registry, "Classify"));
  const int64_t bytes = input.bytes;
  const bool byte_weights = request.byte_weights();
  return Computation<v1::ClassifyResponse>{
      bytes, [input = std::move(input), byte_weights, max_bytes](
                 const Poll& poll, v1::ClassifyResponse* response) {
        response->set_model(input.version->name());
        return AnswerEach(
            input, poll, max_bytes, [&](size_t i, const Classification& from) {
              v1::Classification* out = response->add_results();
              Fill(from, input.version->classifier->config(), byte_weights, out);
              out->set_truncated(input.truncated[i]);
              return out;
            });
      }};
}

absl::StatusOr<Computation<v1::EmbedResponse>> PrepareEmbed(
    const v1::EmbedRequest& request, const ModelRegistry& registry,
    int64_t max_bytes) {
  const v1::EmbedLevel level = request.level();
  if (!v1::EmbedLevel_IsValid(level)) {
    return FieldError("level", absl::StrCat("level is ", level,
                                            "; must be 1 (sentence) or 2 "
                                            "(document)"));
  }
  STRATA_ASSIGN_OR_RETURN(Input input, ReadInput(request, registry, "Embed"));
  const int64_t bytes = input.bytes;
  return Computation<v1::EmbedResponse>{
      bytes, [input = std::move(input), level, max_bytes](
                 const Poll& poll, v1::EmbedResponse* response) {
        response->set_model(input.version->name());
        response->set_dimensions(
            input.version->classifier->config().document.dim);
        return AnswerEach(
            input, poll, max_bytes, [&](size_t i, const Classification& from) {
              v1::TextEmbedding* out = response->add_results();
              Fill(from, level, out);
              out->set_truncated(input.truncated[i]);
              return out;
            });
      }};
}

}  // namespace strata
