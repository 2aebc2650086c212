#include "server/registry/smoke_test.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/base/status_macros.h"
#include "model/sampling.h"

namespace strata {
namespace {

constexpr int kItems = 32;
// Letters, digits and spaces, bytes beyond ASCII, and almost nothing.
constexpr const char* kPrompts[] = {"The quick brown fox", "0 1 2 3\n\n  4",
                                    "\xe2\x98\x83\xf0\x9f\x99\x82", "a"};

absl::Status Continue(Generator* generator, const ModelConfig& config,
                      const Neighbours* neighbours, std::vector<Item> prompt) {
  const int64_t capacity = std::min<int64_t>(config.max_context,
                                             prompt.size() + kItems);
  STRATA_ASSIGN_OR_RETURN(const auto sequence, generator->NewSequence(capacity));
  SamplingParams greedy;
  greedy.temperature = 0;
  greedy.ignore_eos = true;
  std::vector<float> logits(config.vocab);
  std::vector<float> hidden(neighbours == nullptr ? 0 : config.levels[0].dim);
  std::vector<Item> next = std::move(prompt);
  while (sequence->size() + static_cast<int64_t>(next.size()) <= capacity) {
    STRATA_RETURN_IF_ERROR(generator->Step(
        {{sequence.get(), next, absl::MakeSpan(logits), absl::MakeSpan(hidden)}}));
    if (neighbours != nullptr) {
      STRATA_RETURN_IF_ERROR(ConsultNeighbours(*neighbours, neighbours->defaults(), hidden,
                                               config.levels[0].dim,
                                               absl::MakeSpan(logits)));
    }
    const auto item = SampleItem(logits, greedy, sequence->size(), {});
    if (!item.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the model cannot generate: at item ", sequence->size(),
                       ": ", item.status().message()));
    }
    next = {*item};
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SmokeTest(const LoadedModel& model, const Tokenizer& tokenizer,
                       TemplateKind kind, const Neighbours* neighbours) {
  STRATA_ASSIGN_OR_RETURN(const auto generator, model.NewGenerator({}));
  for (const char* prompt : kPrompts) {
    STRATA_RETURN_IF_ERROR(Continue(
        generator.get(), model.config(), neighbours,
        EncodeItems(tokenizer, kind == TemplateKind::kText
                                   ? RenderText(prompt)
                                   : RenderCompletion(prompt))));
  }
  return absl::OkStatus();
}

absl::Status SmokeTest(const Classifier& classifier) {
  const std::vector<std::string> texts(std::begin(kPrompts),
                                       std::end(kPrompts));
  STRATA_ASSIGN_OR_RETURN(
      const auto results,
      classifier.Classify(texts, [] { return absl::OkStatus(); }));
  for (size_t i = 0; i < results.size(); ++i) {
    const std::vector<double>& p = results[i].probabilities;
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    if (!(std::abs(sum - 1.0) < 1e-6)) {  // NaN is no distance
      return absl::FailedPreconditionError(absl::StrCat(
          "the model cannot classify: the probabilities of text ", i,
          " sum to ", sum));
    }
  }
  return absl::OkStatus();
}

}  // namespace strata
