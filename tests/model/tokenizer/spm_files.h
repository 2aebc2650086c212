#pragma once
// Files of tokenisers trained on a few sentences, for the tests.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/sentencepiece_plugin.h"
#include "model/tokenizer.h"
#include "model/tokenizer_training.h"

namespace strata::testing {

// Words and numbers of several scripts, with spaces, tabs and line ends: the same
// every time.
inline std::string MixedText(size_t bytes) {
  const std::vector<std::string> words = {
      "the",  "tree", "  walks", " and", "na\xC3\xAFve", "\xD0\xB4\xD0\xBE\xD0\xBC",
      "1999", ", ",   "\n",      "\tx",  "\xE2\x96\x81", "walking"};
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) {
    text += words[(i * i * 7 + i * 3 + i / 5) % words.size()];
    if (i % 3 == 0) text += ' ';
  }
  return text;
}

// What `train` takes of a text.
inline std::function<bool(absl::string_view*)> SegmentsOf(const std::string& text) {
  return [rest = absl::string_view(text)](absl::string_view* segment) mutable {
    if (rest.empty()) return false;
    *segment = rest.substr(0, SegmentBytes(rest));
    rest.remove_prefix(segment->size());
    return true;
  };
}

inline std::string TrainedTokenizer(const std::string& kind, int64_t pieces = 300,
                                    size_t bytes = 20000) {
  const std::string text = MixedText(bytes);
  auto file = TrainTokenizer(kind, pieces, SegmentsOf(text));
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *file : "";
}

// As spm_train makes one that is left to itself, which changes its text: NFKC, a
// space before the first word, no space twice; bytes as pieces.
inline std::string ForeignTokenizer(const std::string& kind) {
  const std::string text = MixedText(20000);
  auto next = SegmentsOf(text);
  std::string file, error;
  const auto give = [](void* user, const char** data, size_t* size) {
    absl::string_view segment;
    if (!(*static_cast<decltype(next)*>(user))(&segment)) return 0;
    *data = segment.data();
    *size = segment.size();
    return 1;
  };
  const auto append = [](void* user, const char* data, size_t size) {
    static_cast<std::string*>(user)->append(data, size);
  };
  const std::vector<const char*> options = {
      "model_type", kind.c_str(), "vocab_size",       "600",
      "byte_fallback", "true",    "hard_vocab_limit", "false",
      "self_test_sample_size", "5", "minloglevel",      "2",
      nullptr};
  const auto plugin = SentencePiecePlugin();
  EXPECT_TRUE(plugin.ok()) << plugin.status();
  if (!plugin.ok()) return "";
  const int failed = (*plugin)->train(options.data(), {&next, give}, {&file, append},
                                      {&error, append});
  EXPECT_EQ(failed, 0) << error;
  return file;
}

}  // namespace strata::testing
