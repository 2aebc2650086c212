#pragma once
// DocumentConfig: the whole definition of a document classifier, stored as
// `config.json` of its version (architecture "document"; every other
// architecture is a ModelConfig, model/model_config.h). Two levels, both of which
// look in both directions:
//
//   sentence   bytes of one sentence  -> attention pooling -> its vector
//   document   sentences of the text  -> attention pooling -> the text's vector
//   head       linear, one logit a label
//
// Formula and tensor names: model/CLASSIFIER.md. A plain struct: copyable,
// thread-compatible. Errors are INVALID_ARGUMENT naming the field.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/document_scope.h"
#include "model/trained_attention.h"

namespace strata {

inline constexpr char kDocumentArchitecture[] = "document";
inline constexpr int64_t kMaxLabels = 1000;
inline constexpr int64_t kMaxLabelBytes = 128;

struct DocumentLevelConfig {
  int dim = 0;      // a multiple of 2 * heads
  int heads = 0;
  int ff_mult = 4;  // hidden width of the feed-forward = ff_mult * dim
  int layers = 1;
  // These may be left out in JSON, where their members stand among the level's. What an
  // item sees, in training and served.
  DocumentScopeSpec scope;
  // Of a full scope, what training attends to (`trained_attention`, `buckets`,
  // `hash_rounds`). Serving attends to all.
  BucketSpec attention;

  bool operator==(const DocumentLevelConfig&) const = default;
};

struct DocumentConfig {
  DocumentLevelConfig sentence;
  DocumentLevelConfig document;
  // Hashes of the ngram_min to ngram_max bytes that end at each byte look up
  // further embeddings; 0 buckets: none.
  int ngram_min = 3;
  int ngram_max = 6;
  int ngram_buckets = 0;
  // Words and pairs of words, hashed, go straight into the vectors of sentences and
  // texts (model/document/word_bag.h); 0 buckets: none. May be left out in JSON.
  int word_buckets = 0;
  double dropout = 0.1;  // training only
  double rope_theta = 10000.0;
  // A longer sentence is cut; a longer text is refused, or cut on request.
  int64_t max_sentence_bytes = 256;
  int64_t max_sentences = 1024;
  int64_t max_text_bytes = 65536;
  // Sorted, distinct. Empty in a preset: the data names them.
  std::vector<std::string> labels;

  bool operator==(const DocumentConfig&) const = default;

  // Most items of a row of the two levels.
  int64_t sentence_items() const { return max_sentence_bytes; }
  int64_t document_items() const { return max_sentences; }

  // Hashed lengths of a byte: 0 without buckets.
  int ngrams() const {
    return ngram_buckets == 0 ? 0 : ngram_max - ngram_min + 1;
  }
};

// Whether config.json describes a document classifier, by its architecture
// alone; false for what is no JSON.
bool IsDocumentConfig(absl::string_view json);

// Strict JSON: unknown keys, missing keys, wrong types are errors.
absl::StatusOr<DocumentConfig> ParseDocumentConfig(absl::string_view json);
std::string DocumentConfigToJson(const DocumentConfig& config);  // stable

// Ranges and divisibility; `labelled`: also at least two labels.
absl::Status ValidateDocumentConfig(const DocumentConfig& config,
                                    bool labelled);

// INVALID_ARGUMENT "has the label \"x\", …": one that the config does not have.
absl::Status CheckKnownLabels(const DocumentConfig& config,
                              const std::vector<std::string>& labels);

// Trainable parameters, by formula.
int64_t ParameterCount(const DocumentConfig& config);

// The preset `document`. NOT_FOUND for every other name.
absl::StatusOr<DocumentConfig> DocumentPreset(absl::string_view name);

}  // namespace strata
