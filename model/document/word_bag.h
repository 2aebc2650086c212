#pragma once
// WordBag: what words a sentence and a text have, whatever their order, straight into
// their vectors: the wide part of wide and deep learning (Cheng et al. 2016, arXiv
// 1606.07792), with learned vectors of hashed words and pairs of words as in fastText
// (Joulin et al. 2016, 1607.01759).
//
//   u    = sum over its m words and pairs of neighbouring words of table[row] / sqrt(m)
//   out  = out norm(u)                                     [D1]
//
// for a sentence, added to its pool's vector, and for a text, added behind the norm of
// its own: what the layers say alike of every text would else drown what words say. The
// norms make a few words as loud as many, which is what lets a table learn from few
// texts. Rows: model/document/word_rows.h; where there is no word, u = 0. In training
// each word and each pair is left out with the rate of dropout, of a sentence and of its
// text on its own, from the process's default generator. Thread-compatible.

#include <torch/torch.h>

#include "model/document/document_batch.h"
#include "model/nn/linear.h"
#include "model/nn/rms_norm.h"

namespace strata {

class WordBagImpl : public torch::nn::Module {
 public:
  WordBagImpl(int64_t buckets, int64_t dim, int64_t dim_above, double dropout);

  torch::Tensor Sentences(const SentenceGroup& group);  // [rows, D1]
  torch::Tensor Texts(const DocumentBatch& batch);      // [B, D1]

 private:
  torch::Tensor Sums(const WordRuns& runs);  // u [runs, D0]

  double dropout_;
  Linear table_;  // used as one: weight [buckets, D0]
  RmsNorm sentence_norm_, text_norm_;
  Linear sentence_out_, text_out_;
};
TORCH_MODULE(WordBag);

}  // namespace strata
