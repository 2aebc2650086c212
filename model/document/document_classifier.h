#pragma once
// DocumentClassifier: the differentiable definition of the document classifier
// of model/CLASSIFIER.md: embedding, sentence level, document level, head. Parameter
// names are the tensor names of the published files.
//
//   DocumentClassifier model(config, /*seed=*/7);
//   DocumentOutput out = model->forward(MakeDocumentBatch(config, texts));
//
// Construction from equal config and seed gives equal weights; the global
// generator is not touched. Thread-compatible. Errors are exceptions: call
// through TorchGuard (model/nn/torch_guard.h) at module borders.

#include <torch/torch.h>

#include <vector>

#include "model/document/document_batch.h"
#include "model/document/document_level.h"
#include "model/document/word_bag.h"
#include "model/document_config.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

struct DocumentOutput {
  torch::Tensor logits;            // [B, labels]
  torch::Tensor texts;             // [B, D1] vectors of the texts
  torch::Tensor sentences;         // [S, D1] of the sentences, text after text
  torch::Tensor sentence_weights;  // [B, most sentences of a text]
  // Weights of the bytes, by group of the batch: [rows, width].
  std::vector<torch::Tensor> byte_weights;
};

class DocumentClassifierImpl : public torch::nn::Module {
 public:
  // REQUIRES: a config that ValidateDocumentConfig accepts, with labels.
  DocumentClassifierImpl(const DocumentConfig& config, uint64_t seed);

  // REQUIRES: a batch of this config, not empty.
  DocumentOutput forward(const DocumentBatch& batch);

  const DocumentConfig& config() const { return config_; }

 private:
  // [rows, width, D0]
  torch::Tensor Embed(const SentenceGroup& group);

  DocumentConfig config_;
  Linear embedding_;  // used as a table: weight [256 + buckets, D0]
  WordBag words_{nullptr};
  DocumentLevel sentence_;
  DocumentLevel document_;
  RmsNorm norm_;
  Linear head_;
  torch::Tensor bias_;  // [labels]
};
TORCH_MODULE(DocumentClassifier);

// Fills the parameters by the rule of model/hierarchy/init.h; the bias with 0.
void InitDocumentWeights(const DocumentConfig& config, uint64_t seed,
                         torch::nn::Module* model);

}  // namespace strata
