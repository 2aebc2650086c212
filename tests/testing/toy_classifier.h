#pragma once
// ToyClassifier: a Classifier for tests of what stands above models. A text with
// an "x" is "yes", all others "no"; its sentences weigh alike. `before_text` runs
// before each text.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/base/status_macros.h"
#include "model/classifier.h"

namespace strata {

inline DocumentConfig ToyDocumentConfig() {
  DocumentConfig config;
  config.sentence = {.dim = 4, .heads = 1};
  config.document = {.dim = 4, .heads = 1};
  config.max_sentences = 4;
  config.max_text_bytes = 100;
  config.labels = {"no", "yes"};
  return config;
}

class ToyClassifier final : public Classifier {
 public:
  explicit ToyClassifier(std::function<void()> before_text = nullptr,
                         double total = 1.0)
      : before_text_(std::move(before_text)), total_(total) {}

  const DocumentConfig& config() const override { return config_; }
  int64_t weight_bytes() const override { return 1000; }
  std::string executor() const override { return "toy"; }

  absl::StatusOr<std::vector<Classification>> Classify(
      absl::Span<const std::string> texts,
      const std::function<absl::Status()>& poll) const override {
    std::vector<Classification> results;
    for (const std::string& text : texts) {
      STRATA_RETURN_IF_ERROR(poll());
      if (before_text_) before_text_();
      Classification result;
      const double yes = text.find('x') == std::string::npos ? 0.25 : 0.75;
      result.probabilities = {total_ - yes, yes};
      result.vector = {1, 2, 3, 4};
      const auto ranges = SplitSentences(text, config_.max_sentence_bytes);
      for (const ByteRange& range : ranges) {
        const auto bytes = static_cast<size_t>(range.end - range.begin);
        result.sentences.push_back(
            {range, 1.0 / static_cast<double>(ranges.size()),
             std::vector<float>(bytes, 1.0f / static_cast<float>(bytes)),
             {static_cast<float>(range.begin), 0, 0, 0}});
      }
      results.push_back(std::move(result));
    }
    return results;
  }

 private:
  const DocumentConfig config_ = ToyDocumentConfig();
  const std::function<void()> before_text_;
  const double total_;  // of the probabilities: other than 1 is a broken model
};

}  // namespace strata
