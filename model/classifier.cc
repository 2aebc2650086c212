#include "model/classifier.h"

#include "absl/strings/str_cat.h"

namespace strata {

absl::Status CheckText(const DocumentConfig& config, absl::string_view text) {
  const auto bytes = static_cast<int64_t>(text.size());
  if (bytes == 0) {
    return absl::InvalidArgumentError("is empty; at least one byte is needed");
  }
  if (bytes > config.max_text_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", bytes, " bytes; at most ", config.max_text_bytes,
                     " are allowed"));
  }
  const auto sentences = static_cast<int64_t>(
      SplitSentences(text, config.max_sentence_bytes).size());
  if (sentences > config.max_sentences) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", sentences, " sentences; at most ",
                     config.max_sentences, " are allowed"));
  }
  return absl::OkStatus();
}

absl::string_view FittingText(const DocumentConfig& config,
                              absl::string_view text) {
  text = text.substr(0, static_cast<size_t>(config.max_text_bytes));
  const std::vector<ByteRange> sentences =
      SplitSentences(text, config.max_sentence_bytes);
  const auto limit = static_cast<size_t>(config.max_sentences);
  if (sentences.size() <= limit) return text;
  return text.substr(0, static_cast<size_t>(sentences[limit - 1].end));
}

}  // namespace strata
