#pragma once
// A small classifier with weights large enough that influences show.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "model/document/document_classifier.h"

namespace strata::testing {

inline DocumentConfig SmallDocumentConfig() {
  DocumentConfig config;
  config.sentence = {.dim = 16, .heads = 2, .ff_mult = 2, .layers = 2};
  config.document = {.dim = 24, .heads = 2, .ff_mult = 2, .layers = 1};
  config.ngram_buckets = 64;
  config.max_sentence_bytes = 70;
  config.max_sentences = 40;
  config.max_text_bytes = 1000;
  config.labels = {"a", "b", "c"};
  return config;
}

// One of each kind, small enough that rows may be longer than what is seen at once.
inline std::vector<DocumentScopeSpec> SmallDocumentScopes() {
  return {{},
          {.scope = DocumentScope::kLinformer, .projected = 6},
          {.scope = DocumentScope::kEtc, .window = 5, .global_items = 2},
          {.scope = DocumentScope::kBigBird,
           .window = 4,
           .global_items = 1,
           .random_blocks = 2}};
}

inline std::string ScopeParamName(
    const ::testing::TestParamInfo<DocumentScopeSpec>& info) {
  return DocumentScopeName(info.param.scope);
}

inline DocumentClassifier SharpClassifier(const DocumentConfig& config,
                                          torch::ScalarType type) {
  DocumentClassifier model(config, /*seed=*/3);
  model->to(type);
  model->eval();
  torch::NoGradGuard no_grad;
  for (auto& p : model->parameters()) {
    if (p.dim() > 1) p.mul_(3);
  }
  return model;
}

// Ragged in every way: lengths of sentences, their number, one with a cut.
inline std::vector<std::string> RaggedTexts() {
  return {"Short.", "One. Two! And a third sentence, longer than the others.",
          std::string(150, 'x') + " y. z",
          "a\nb\nc\nd\ne\nf\ng", "The end? No.\n\n\"Yes.\" Well."};
}

}  // namespace strata::testing
