#include "model/document/document_classifier.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "model/hierarchy/init.h"
#include "model/nn/residual.h"

namespace strata {
namespace {

// The rows of the sentences of each text, `most` a text: row 0 where a text has
// fewer, for the masks to hide.
std::vector<int64_t> PlacesOf(const DocumentBatch& batch, int64_t most,
                              const std::vector<int64_t>& row_of_sentence) {
  std::vector<int64_t> places;
  size_t sentence = 0;
  for (const auto& ranges : batch.sentences) {
    places.insert(places.end(), row_of_sentence.begin() + sentence,
                  row_of_sentence.begin() + sentence + ranges.size());
    places.resize(places.size() + most - ranges.size(), 0);
    sentence += ranges.size();
  }
  return places;
}

}  // namespace

DocumentClassifierImpl::DocumentClassifierImpl(const DocumentConfig& config,
                                               uint64_t seed)
    : config_(config),
      embedding_(register_module(
          "embedding",
          Linear(config.sentence.dim, kByteRows + config.ngram_buckets))),
      sentence_(register_module(
          "sentence",
          DocumentLevel(config.sentence, config.sentence_items(), config.document.dim,
                        config.rope_theta, config.dropout))),
      document_(register_module(
          "document",
          DocumentLevel(config.document, config.document_items(), config.document.dim,
                        config.rope_theta, config.dropout))),
      norm_(register_module("norm", RmsNorm(config.document.dim))),
      head_(register_module(
          "head", Linear(config.document.dim,
                         static_cast<int64_t>(config.labels.size())))),
      bias_(register_parameter(
          "bias",
          torch::zeros({static_cast<int64_t>(config.labels.size())}))) {
  if (config.word_buckets > 0) {
    words_ = register_module("words", WordBag(config.word_buckets, config.sentence.dim,
                                              config.document.dim, config.dropout));
  }
  InitDocumentWeights(config_, seed, this);
}

torch::Tensor DocumentClassifierImpl::Embed(const SentenceGroup& group) {
  const auto rows = static_cast<int64_t>(group.sentences.size());
  const auto ids =
      torch::tensor(group.ids, torch::kInt64)
          .view({rows * group.width, 1 + config_.ngrams()})
          .to(embedding_->weight.device());
  const auto sums = torch::nn::functional::embedding_bag(
      ids, embedding_->weight,
      torch::nn::functional::EmbeddingBagFuncOptions().mode(torch::kSum));
  const double rate = is_training() ? config_.dropout : 0.0;
  return Dropped(sums.view({rows, group.width, config_.sentence.dim}), rate);
}

DocumentOutput DocumentClassifierImpl::forward(const DocumentBatch& batch) {
  DocumentOutput out;
  std::vector<torch::Tensor> pooled;
  std::vector<int64_t> lengths;
  int64_t most = 0;
  size_t count = 0;
  for (const auto& ranges : batch.sentences) {
    lengths.push_back(static_cast<int64_t>(ranges.size()));
    most = std::max(most, lengths.back());
    count += ranges.size();
  }
  std::vector<int64_t> row_of_sentence(count);
  int64_t row = 0;
  for (const SentenceGroup& group : batch.groups) {
    Pooled sentences = sentence_->forward(Embed(group), group.lengths);
    pooled.push_back(words_.is_empty() ? sentences.vector
                                       : sentences.vector + words_->Sentences(group));
    out.byte_weights.push_back(sentences.weights);
    for (const int64_t index : group.sentences) row_of_sentence[index] = row++;
  }
  const auto vectors = at::cat(pooled);
  const auto rows = [&](const std::vector<int64_t>& places) {
    return vectors.index_select(
        0, torch::tensor(places, torch::kInt64).to(vectors.device()));
  };
  out.sentences = rows(row_of_sentence);
  const Pooled texts = document_->forward(
      rows(PlacesOf(batch, most, row_of_sentence))
          .view({static_cast<int64_t>(lengths.size()), most,
                 config_.document.dim}),
      lengths);
  out.sentence_weights = texts.weights;
  out.texts = norm_->forward(texts.vector);
  if (!words_.is_empty()) out.texts = out.texts + words_->Texts(batch);
  out.logits = head_->forward(out.texts) + bias_;
  return out;
}

void InitDocumentWeights(const DocumentConfig& config, uint64_t seed,
                         torch::nn::Module* model) {
  InitParameters(
      seed,
      [&](const std::string& name) {
        return absl::StartsWith(name, "sentence.") ? config.sentence.layers
                                                   : config.document.layers;
      },
      model);
  torch::NoGradGuard no_grad;
  model->named_parameters()["bias"].zero_();
}

}  // namespace strata
